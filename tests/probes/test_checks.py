"""What is asked, and what counts as an answer."""

import json
from dataclasses import replace
from typing import Any

import pytest

from probes.checks import SCHEMA, TOOL_NAME, Task, find_flaw
from probes.custom_check import CustomCheck
from probes.dialects.registry import DIALECTS
from probes.request_reply import Reply, ToolCall
from probes.target import Check, Provider, Secret, Target

NONCE = "k7f3q9x2"
GOOD = json.dumps({"word": NONCE, "number": 7})


@pytest.mark.parametrize("check", Check)
def test_the_prompt_holds_the_nonce_and_is_short(check: Check) -> None:
    """The nonce must come back from an echo that keeps 120 characters."""
    asked = Task(check=check, nonce=NONCE).prompt

    assert NONCE in asked
    assert len(asked) <= 100


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        (NONCE, True),
        ("K7F3Q9X2.", True),
        ("Hello! You said: Reply with exactly this word: k7f3q9x2", True),
        ("", False),
        ("k7f3 q9x2", False),
        ("k7f3q9x", False),
    ],
)
@pytest.mark.parametrize("check", [Check.CHAT, Check.STREAM])
def test_a_reply_with_the_nonce_satisfies(check: Check, reply: str, good: bool) -> None:
    """The nonce is enough, whatever stands around it; anything less is not."""
    assert (find_flaw(Task(check=check, nonce=NONCE), Reply(text=reply)) is None) is good


#: Text that ought to be JSON under the schema, and what is said of it; empty for what is as asked.
STRUCTURED = {
    "as asked": (GOOD, ""),
    "with blanks around it": (f"\n{GOOD}\n", ""),
    "in other words around the nonce": (json.dumps({"number": -1, "word": f"The word is {NONCE}."}), ""),
    "announced": (f"Here's your JSON: {GOOD}", "it does not parse"),
    "in a code fence": (f"```json\n{GOOD}\n```", "it does not parse"),
    "without the last bracket": (GOOD[:-1], "it does not parse"),
    "with a comma too many": (GOOD.replace("}", ",}"), "it does not parse"),
    "too deep to read": ("[" * 100_000, "it does not parse"),
    "a list": (f"[{GOOD}]", "it is not an object"),
    "nothing but the word": (json.dumps(NONCE), "it is not an object"),
    "without the number": (json.dumps({"word": NONCE}), "its keys are not word and number"),
    "with a key too many": (json.dumps({"word": NONCE, "number": 7, "ok": 1}), "its keys are not word and number"),
    "a number as text": (json.dumps({"word": NONCE, "number": "7"}), "a value has the wrong type"),
    "a number with a fraction": (json.dumps({"word": NONCE, "number": 7.0}), "a value has the wrong type"),
    "true for a number": (json.dumps({"word": NONCE, "number": True}), "a value has the wrong type"),
    "a word that is none": (json.dumps({"word": [NONCE], "number": 7}), "a value has the wrong type"),
    "another word": (json.dumps({"word": "k7f3", "number": 7}), "it lacks the requested word"),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_structured_output_is_json_under_the_schema_and_nothing_else(name: str) -> None:
    """Strictly: an application that parses it would stumble over the same."""
    text, said = STRUCTURED[name]
    found = find_flaw(Task(check=Check.STRUCTURED, nonce=NONCE), Reply(text=text))

    assert said in found if found and said else found is None and not said


@pytest.mark.parametrize("name", STRUCTURED)
def test_a_tools_arguments_fit_the_schema(name: str) -> None:
    """The arguments of the call are held to the same."""
    text, said = STRUCTURED[name]
    calls = (ToolCall(name=TOOL_NAME, arguments=text),)
    found = find_flaw(Task(check=Check.TOOL, nonce=NONCE), Reply(calls=calls))

    assert said in found if found and said else found is None and not said


def test_a_tool_that_is_not_called_or_another_one_is_a_flaw() -> None:
    """Words instead of the call are wrong, however right they are; so is the call of what was not offered."""
    task = Task(check=Check.TOOL, nonce=NONCE)

    assert "was not called" in (find_flaw(task, Reply(text=GOOD)) or "")
    assert "another function" in (find_flaw(task, Reply(calls=(ToolCall(name="ping", arguments=GOOD),))) or "")


@pytest.mark.parametrize(
    ("vector", "dimensions", "said"),
    [
        ((0.1, -0.2), 2, ""),
        ((0.1, -0.2), None, ""),
        ((0.1, -0.2), 3, "has 2 numbers, 3 were expected"),
        ((0.0, 0.0), 2, "all zeros"),
        ((0.1, float("nan")), 2, "not finite"),
        ((0.1, float("inf")), 2, "not finite"),
        ((), None, "empty"),
    ],
)
def test_an_embedding_is_a_vector_that_means_something(
    vector: tuple[float, ...], dimensions: int | None, said: str
) -> None:
    """The right length, finite, and not all zero."""
    found = find_flaw(Task(check=Check.EMBEDDING, nonce=NONCE, dimensions=dimensions), Reply(embedding=vector))

    assert said in found if found and said else found is None and not said


@pytest.mark.parametrize("check", Check)
def test_a_reply_without_content_is_no_answer(check: Check) -> None:
    """So that a spent budget can be told from a wrong answer."""
    assert find_flaw(Task(check=check, nonce=NONCE), Reply()) == "the reply was empty"


def test_the_schema_is_strict() -> None:
    """Every key is required and no other is allowed: what strict modes of all vendors ask for."""
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])
    assert SCHEMA["additionalProperties"] is False


MINE = "refunds"


@pytest.mark.parametrize(
    ("expect", "text", "flaw"),
    [
        ({"contains": "Paris"}, "It is PARIS.", None),
        ({"contains": "Paris"}, "It is Rome.", "the reply lacks 'Paris': It is Rome."),
        ({"contains": "{nonce}"}, "k7f3q9x2", None),
        ({"regex": r"^\d+ days$"}, "30 days", None),
        ({"regex": r"^\d+ days$"}, "a month", r"the reply does not match '^\\d+ days$': a month"),
        ({"json_schema": {"required": ["days"], "properties": {"days": {"type": "integer"}}}}, '{"days": 30}', None),
        (
            {"json_schema": {"properties": {"days": {"type": "integer"}}}},
            '{"days": "x"}',
            "the reply is not JSON of the schema ($.days: 'x' is not of type 'integer'): {\"days\": \"x\"}",
        ),
        ({"json_schema": {}}, "no JSON", "the reply is not JSON of the schema (it does not parse): no JSON"),
        ({"json_schema": {"type": "object"}}, "[" * 100_000, "the reply is not JSON of the schema"),
        ({}, "anything", None),
        ({}, " ", "the reply was empty"),
    ],
)
def test_a_check_of_ones_own(expect: dict[str, Any], text: str, flaw: str | None) -> None:
    """Finds what people expect in the reply to their own prompt."""
    task = Task(check=MINE, nonce="k7f3q9x2", custom=CustomCheck(prompt="How long?", **expect))

    assert (find_flaw(task, Reply(text=text)) or "").startswith(flaw or "")
    assert (find_flaw(task, Reply(text=text)) is None) == (flaw is None)


def test_the_prompt_of_ones_own_check_has_the_nonce() -> None:
    """In its place, or at the end, so that no cache answers; braces are left alone."""
    task = Task(check=MINE, nonce="k7f3q9x2", custom=CustomCheck(prompt='Say {"a": 1}'))

    assert task.prompt == 'Say {"a": 1}\n\n(request k7f3q9x2)'
    assert replace(task, custom=CustomCheck(prompt="Say {nonce}.")).prompt == "Say k7f3q9x2."


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_asks_it_as_a_chat(dialect: str) -> None:
    """With the prompt and the token budget that people set, and nothing else."""
    provider = Provider(name="p", dialect=dialect, base_url="http://x", api_key=Secret("k"))
    custom = CustomCheck(prompt="How long?", max_tokens=77)
    task = Task(check=MINE, nonce="k7f3q9x2", custom=custom)
    request = DIALECTS[dialect].build_request(Target(provider=provider, model="m"), task)
    body = json.dumps(request.body)

    assert "How long?" in body
    assert "77" in body
    assert "stream" not in body
