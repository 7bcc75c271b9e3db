"""Golden sets: what is read, and what is said of a broken one."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.compare.golden_set import MOST_QUESTIONS, GoldenSet, parse_set
from controller.compare.runner import read_set
from monitor.config.problems import ConfigError
from probes.question import is_strict
from probes.target import Check

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def lines(*questions: object) -> GoldenSet:
    """A set of one question a line."""
    return parse_set("\n".join(map(json.dumps, questions)), "set.jsonl", lines=True)


def problems(written: str, *, as_lines: bool = False) -> list[str]:
    """What is wrong with a set."""
    with pytest.raises(ConfigError) as refused:
        parse_set(written, "set", lines=as_lines)
    return list(refused.value.problems)


def test_our_own_set_asks_for_all_kinds_of_answers() -> None:
    """Twelve questions, three of each kind, that every provider's strict mode takes."""
    own = read_set(None)
    kinds = [question.question.check for question in own.questions]
    assert [kinds.count(kind) for kind in (Check.CHAT, Check.STRUCTURED, Check.TOOL)] == [6, 3, 3]
    for question in own.questions:
        assert question.expect
        assert is_strict(question.schema)
        assert all(tool.strict for tool in question.question.tools)


def test_yaml_and_lines_are_read_alike() -> None:
    """With the same digest, whatever the spelling."""
    question = {"prompt": "Grüße 🙂 \u2028 $${x} ${file:/etc/passwd}", "schema": SCHEMA, "expect": {"json": {"a": 1}}}
    read = lines(question)
    text = json.dumps({"questions": [question]}, ensure_ascii=False).replace("\u2028", "\\u2028")
    written = parse_set(text, "set.yaml")
    assert read.questions == written.questions
    assert read.digest == written.digest
    assert read.questions[0].prompt == question["prompt"]
    assert lines({**question, "prompt": "Other"}).digest != read.digest


def test_questions_are_called_by_name_or_number() -> None:
    """A name is shown in one line, whatever it holds."""
    read = lines({"prompt": "a", "name": "the\x1b[2J\nfirst"}, {"prompt": "b"})
    assert [question.name for question in read.questions] == ["the [2J first", "2"]


def test_a_broken_line_is_named_and_the_others_are_checked_too() -> None:
    """All mistakes at once, each with its line."""
    written = '{"prompt": "a", "expect": {"number": 4}}\n\n{"prompt": "b" "c"}\n[1]\n{"promt": "d"}\n{"prompt": NaN}'
    found = problems(written, as_lines=True)
    assert [problem.partition(" ")[0] for problem in found] == ["set:3:", "set:4:", "set:5", "set:5", "set:6:"]
    assert "Expecting ',' delimiter, column 16" in found[0]
    assert "did you mean 'prompt'?" in "".join(found[2:4])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("", "set: is empty; expected questions: [{prompt: …, expect: {exact: …}}]"),
        ("- prompt: a", "set: is not a mapping; expected questions: [{prompt: …, expect: {exact: …}}]"),
        ("questions: []", "set:1 questions: is empty; expected a list of questions"),
        ("questions: {prompt: a}", "set:1 questions: expected a list of questions, found a mapping"),
        ("questions: [{prompt: a}", "expected ',' or ']'"),
        ("questions: &x [*x]", "aliases (*name) are not supported"),
        ("questions: [{prompt: 7}]", "YAML takes this for a number; put it in quotes"),
        ("questions: [{expect: {exact: a}}]", "prompt is missing"),
        ("questions: [{prompt: a, expect: {}}]", "expect: is empty; expected one of exact, contains, number, json"),
        ("questions: [{prompt: a, expect: {exact: a, number: 1}}]", "has exact and number; expected one of"),
        ("questions: [{prompt: a, expect: {number: many}}]", "'many' is not a number"),
        ("questions: [{prompt: a, expect: {call: {name: f}}}]", "'f' is not one of the question's tools; known: none"),
        ("questions: [{prompt: a, max_tokens: 0}]", "0 is not a whole number from 1 to 8,192"),
        ("questions: [{prompt: a, schema: {type: nonsense}}]", "is not a JSON Schema"),
        ("questions: [{prompt: a, schema: {$ref: 'http://h/x'}}]", "refers to 'http://h/x', which it does not hold"),
        ("questions: [{prompt: a, tools: [{name: f!, description: d, parameters: {}}]}]", "is not a name of letters"),
        ("questions: [{prompt: a, tools: []}]", "tools: is empty; expected a list of tools"),
        ("questions: [{prompt: a, name: x}, {prompt: b, name: x}]", "'x' is the name of two questions"),
        (
            "questions: [{prompt: a, schema: {}, tools: [{name: f, description: d, parameters: {}}]}]",
            "tools: does not go with schema",
        ),
        (
            "questions: [{prompt: a, tools: [" + "{name: f, description: d, parameters: {}}, " * 2 + "]}]",
            "has 'f' twice",
        ),
    ],
)
def test_a_broken_set_is_refused(written: str, found: str) -> None:
    """Saying where, what was found and what was expected."""
    assert any(found in problem for problem in problems(written)), problems(written)


def test_too_many_questions_are_refused() -> None:
    """Asked of every candidate, they would last for hours."""
    [problem] = problems("questions: [" + "{prompt: a}, " * (MOST_QUESTIONS + 1) + "]")
    assert "holds 201; at most 200 can be asked" in problem


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (None, "there is no such file; expected a golden set"),
        (b"\xff\xfe", ":1: is not UTF-8"),
        (b"a" * (1024 * 1024 + 1), "is larger than 1 MiB"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, data: bytes | None, found: str) -> None:
    """As for every file of people's own."""
    path = tmp_path / "set.yaml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=found):
        read_set(path)
    with pytest.raises(ConfigError, match="is a folder"):
        read_set(tmp_path)


@pytest.mark.slow
@given(st.text(max_size=200), st.booleans())
def test_any_text_is_read_or_refused(written: str, as_lines: bool) -> None:
    """With a sentence, never with a traceback."""
    try:
        found: object = parse_set(written, "set", lines=as_lines).questions
    except ConfigError as refused:
        found = refused.problems
    assert found
