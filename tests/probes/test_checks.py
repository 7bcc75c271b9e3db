"""What is asked, and what counts as an answer."""

import json

import pytest

from probes.checks import SCHEMA, TOOL_NAME, Task, find_flaw
from probes.reply import Reply, ToolCall
from probes.target import Check

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
