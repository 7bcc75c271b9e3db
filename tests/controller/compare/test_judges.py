"""Judges: which answers are right, and which say the same."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.compare.golden_set import GoldenQuestion, parse_set
from controller.compare.judges import Judgement, Verdict, judge
from probes.request_reply import Finish, Reply, ToolCall

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["city", "count"],
    "additionalProperties": False,
}
TOOLS = [{"name": name, "description": "d", "parameters": SCHEMA} for name in ("book", "cancel")]
BERN = {"city": "Bern", "count": 2}


def question(**keys: object) -> GoldenQuestion:
    """A question of a set."""
    return parse_set(json.dumps({"prompt": "?", **keys}), "set", lines=True).questions[0]


def judged(text: str, finish: Finish = Finish.STOP, **expect: object) -> Judgement:
    """The judgement of a text."""
    return judge(question(expect=expect), Reply(text=text, finish=finish))


@pytest.mark.parametrize(
    ("expect", "right", "wrong"),
    [
        ({"exact": "OK"}, ["OK", " OK\n"], ["ok", "OK.", "", '"OK"']),
        ({"contains": "Tokyo"}, ["tokyo", "It is Tokyo."], ["Kyoto", ""]),
        (
            {"number": 1250.5},
            ["1250.5", "1,250.50", "$1,250.50.", "17 × 2 … so **1250.5**", "\\boxed{1250.5}"],
            ["1250", "1250.5 or 7", "-1250.5", "one", "", "v1250.5"],
        ),
        ({"number": -3}, ["-3", "\u22123", "x = -3.0", "-3, as gpt4o says"], ["3", "7-3"]),
        (
            {"json": {"a": {"b": [1, "x"]}, "c": 2}},
            ['{"a": {"b": [1, "x"], "d": 0}, "c": 2.0}', ' {"c":2,"a":{"b":[1.0,"x"]}}\n'],
            [
                "",
                "[]",
                "7",
                '{"c": 2}',
                '{"a": {"b": [1]}, "c": 2}',
                '{"a": {"b": [1, "X"]}, "c": 2}',
                '{"a": {"b": [true, "x"]}, "c": 2}',
                '{"a": 1, "c": 2}',
                '```json\n{"a": {"b": [1, "x"]}, "c": 2}\n```',
                "[" * 10_000,
            ],
        ),
    ],
)
def test_texts(expect: dict[str, Any], right: list[str], wrong: list[str]) -> None:
    """Right or wrong, with the flaw in few words."""
    for text in right:
        assert judged(text, **expect).verdict is Verdict.RIGHT, text
    for text in wrong:
        found = judged(text, **expect)
        assert found.verdict is Verdict.WRONG, text
        assert 0 < len(found.flaw) < 300


def call(name: str, arguments: object) -> Reply:
    """A reply that calls a function."""
    return Reply(calls=(ToolCall(name=name, arguments=json.dumps(arguments)),))


@pytest.mark.parametrize(
    ("reply", "flaw"),
    [
        (call("book", BERN), ""),
        (call("book", {**BERN, "count": 3}), "count is 3, expected 2"),
        (call("book", {"city": "Bern"}), "it does not fit the schema: $: 'count' is a required property"),
        (call("cancel", BERN), "it called 'cancel'; expected book"),
        (Reply(calls=(ToolCall(name="book", arguments="{"),)), "it does not fit the schema: it does not parse"),
        (Reply(text="Booked!"), "expected a call of book, found 'Booked!'"),
    ],
)
def test_calls(reply: Reply, flaw: str) -> None:
    """The right function, with arguments that fit its schema and have the expected values."""
    found = judge(question(tools=TOOLS, expect={"call": {"name": "book", "arguments": {"count": 2}}}), reply)
    assert found.flaw.startswith(flaw)
    assert (found.verdict is Verdict.RIGHT) is (not flaw)


def test_a_call_where_none_is_expected_is_wrong() -> None:
    """Also where the text is right."""
    reply = Reply(text="Tokyo", calls=(ToolCall(name="book", arguments="{}"),))
    found = judge(question(tools=TOOLS, expect={"contains": "Tokyo"}), reply)
    assert found.flaw == "it called 'book'; expected an answer without a call"


def test_the_schema_counts_by_itself() -> None:
    """An answer may fit it and be wrong; without anything else expected, to fit is right."""
    asked = question(schema=SCHEMA, expect={"json": {"city": "Bern"}})
    fits = judge(asked, Reply(text=json.dumps({"city": "Rome", "count": 1})))
    assert (fits.verdict, fits.fits_schema) == (Verdict.WRONG, True)
    misfit = judge(asked, Reply(text=json.dumps({"city": "Bern"})))
    assert (misfit.verdict, misfit.fits_schema) == (Verdict.WRONG, False)
    assert judge(question(schema=SCHEMA), Reply(text=json.dumps(BERN))).verdict is Verdict.RIGHT
    assert judge(question(schema=SCHEMA), Reply(text=" " * 20_001 + "x" * 20_001)).fits_schema is False


def test_an_answer_that_is_cut_off_is_none() -> None:
    """Our budget was too small, unless what is there is right."""
    found = judged("The sum is", Finish.LENGTH, number=42)
    assert found.verdict is Verdict.UNANSWERED
    assert found.flaw.startswith("cut off by max_tokens (256): ")
    assert judged("42", Finish.LENGTH, number=42).verdict is Verdict.RIGHT


def test_without_an_expectation_nothing_is_right_or_wrong() -> None:
    """The gist alone counts: words, whatever their case and spaces; the values of JSON, whatever their order."""

    def gist(text: str) -> str:
        found = judge(question(), Reply(text=text))
        assert found.verdict is Verdict.OPEN
        return found.gist

    assert gist("Yes,  it is.") == gist("yes, it is")
    assert gist("yes") != gist("no")
    assert gist('{"a": 1, "b": 2}') == gist('{"b": 2,\n "a": 1}')


def test_right_answers_say_the_same() -> None:
    """Wrong ones do where their words are the same."""
    assert judged("42", number=42).gist == judged("It is 42", number=42).gist
    assert judged("41", number=42).gist == judged(" 41 ", number=42).gist
    assert len({judged(text, number=42).gist for text in ("41", "42", "43")}) == 3
    assert judge(question(schema={}), Reply(text="1")).gist != judge(question(schema={}), Reply(text="2")).gist


@pytest.mark.slow
@pytest.mark.parametrize(
    "expect",
    [{"exact": "a"}, {"contains": "a"}, {"number": 1}, {"json": {"a": {"b": 1}}}, {"call": {"name": "book"}}],
    ids=lambda expect: next(iter(expect)),
)
@given(text=st.text(max_size=300) | st.recursive(st.none(), st.lists).map(json.dumps))
def test_any_reply_is_judged(expect: dict[str, Any], text: str) -> None:
    """A provider wrote it."""
    asked = question(tools=TOOLS, expect=expect)
    for reply in (Reply(text=text), Reply(calls=(ToolCall(name=text, arguments=text),))):
        assert judge(asked, reply).verdict in {Verdict.RIGHT, Verdict.WRONG}


def test_a_huge_reply_is_judged_by_its_beginning() -> None:
    """In bounded time."""
    assert judged("9" * 1_000_000, number=1).verdict is Verdict.WRONG
    assert judged('{"a": ' + "9" * 1_000_000, json={"a": 1}).verdict is Verdict.WRONG
    assert judged("x" * 1_000_000 + "Tokyo", contains="Tokyo").verdict is Verdict.WRONG
