"""Questions of people's own: every dialect can put one, and an answer is read as safely as a probe's."""

import json
from typing import Any

import pytest

from probes.checks import Task
from probes.dialects.registry import DIALECTS
from probes.outcome import Outcome
from probes.question import Question, Tool, is_strict
from probes.request_reply import ToolCall
from probes.target import Check, Price, Provider, Secret, Target
from tests.support.servers import KEY, QUICK, answering, new_prober, sending, serving, target

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
LOOSE = {"type": "object", "properties": {"town": {"type": "string"}}}
TOOLS = (
    Tool(name="weather", description="The weather of a city.", parameters=SCHEMA),
    Tool(name="time", description="The time of a town.", parameters=LOOSE),
)
PLAIN = Question(prompt="What is 17 + 25?")


def sent(dialect: str, question: Question) -> dict[str, Any]:
    """The body that puts the question, as the other side parses it."""
    provider = Provider(name="p", dialect=dialect, base_url="https://host", api_key=Secret("k"), region="eu")
    task = Task(check=question.check, nonce="k7f3q9x2", question=question)
    body: dict[str, Any] = json.loads(
        DIALECTS[dialect].build_request(Target(provider=provider, model="m"), task).content
    )
    return body


def quoted(body: object) -> str:
    """The body in one form, whatever JSON it holds as text."""
    return json.dumps(body).replace("\\", "")


@pytest.mark.parametrize("dialect", DIALECTS)
class TestDialects:
    """The request of each."""

    def test_a_prompt_is_sent_as_it_is(self, dialect: str) -> None:
        """Without a nonce, which would change the question; with a budget for the answer besides that to reason."""
        body = quoted(sent(dialect, PLAIN))
        assert PLAIN.prompt in body
        assert "k7f3q9x2" not in body
        assert "1280" in body
        assert "1034" in quoted(sent(dialect, Question(prompt="?", max_tokens=10)))

    def test_a_schema_is_that_of_the_question(self, dialect: str) -> None:
        """Not that of the check; a strict mode is asked for only where it takes the schema."""
        body = quoted(sent(dialect, Question(prompt="?", schema=SCHEMA)))
        assert json.dumps(SCHEMA) in body
        assert '"word"' not in body
        assert '"strict": true' not in quoted(sent(dialect, Question(prompt="?", schema=LOOSE)))

    def test_tools_are_offered_and_not_forced(self, dialect: str) -> None:
        """Which one to call, if any, is what is asked."""
        body = quoted(sent(dialect, Question(prompt="?", tools=TOOLS)))
        for tool in TOOLS:
            assert json.dumps(dict(tool.parameters)) in body
            assert tool.description in body
        assert body.count('"strict": true') <= 1
        for forced in ('"report"', '"REQUIRED"', '"ANY"', "toolChoice"):
            assert forced not in body


def test_the_checks_ask_as_before() -> None:
    """Without a question a task is that of its check."""
    task = Task(check=Check.TOOL, nonce="k7f3q9x2")
    assert (task.tools[0].name, task.forces_tool, task.answer_tokens) == ("report", True, 0)


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (SCHEMA, True),
        ({}, True),
        ({"type": "array", "items": SCHEMA}, True),
        (LOOSE, False),
        ({**SCHEMA, "required": []}, False),
        ({**SCHEMA, "additionalProperties": True}, False),
        ({"type": "array", "items": LOOSE}, False),
        ({"anyOf": [SCHEMA, LOOSE]}, False),
        ({"type": "object"}, False),
    ],
)
def test_strict_modes_want_every_property_and_no_other(schema: dict[str, Any], strict: bool) -> None:
    """At every depth."""
    assert is_strict(schema) is strict


def completion(**message: object) -> bytes:
    """A reply of Chat Completions."""
    usage = {"prompt_tokens": 20, "completion_tokens": 5}
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()


async def test_an_answer_has_text_tokens_and_cost() -> None:
    """Whatever it says: it is judged by whoever asked."""
    price = Price(input_usd=1_000, output_usd=100_000)
    async with serving(answering(completion(content=" 41\n"))) as url:
        asked = target(url)
        dear = Target(provider=asked.provider, model="m", timeouts=asked.timeouts, price=price)
        answer = await new_prober().ask(dear, PLAIN)
    assert answer.observation.outcome is Outcome.OK
    assert (answer.reply.text, answer.shown, answer.model) == (" 41\n", "41", None)
    assert (answer.observation.input_tokens, answer.observation.output_tokens) == (20, 5)
    assert answer.observation.cost_usd == pytest.approx(0.52)


async def test_calls_are_read() -> None:
    """Name and arguments, also where the text is empty."""
    call = {"function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    async with serving(answering(completion(content=None, tool_calls=[call] * 20))) as url:
        answer = await new_prober().ask(target(url), Question(prompt="?", tools=TOOLS))
    assert answer.reply.calls[0] == ToolCall(name="weather", arguments='{"city": "Bern"}')
    assert answer.shown.startswith('weather({"city": "Bern"}) weather')
    assert answer.shown.count("weather") == 8


async def test_what_is_shown_is_safe_to_show() -> None:
    """No key, no control characters, no endless text; what is judged is the text as it came."""
    hostile = f"{KEY} \x1b[2J\u202e[red] " + "x" * 10_000
    body = json.dumps({"choices": [{"message": {"content": hostile}}], "model": hostile}).encode()
    async with serving(answering(body)) as url:
        answer = await new_prober().ask(target(url), PLAIN)
    assert answer.reply.text == hostile
    assert answer.model
    assert (len(answer.shown), len(answer.model)) == (500, 100)
    for shown in (answer.shown, answer.model):
        assert KEY not in shown
        assert shown.isprintable()


@pytest.mark.parametrize(
    ("body", "head", "outcome"),
    [
        (completion(content=" "), "200 OK", Outcome.BAD_ANSWER),
        (b'{"error": {"code": "invalid_api_key", "message": "no"}}', "401 Unauthorized", Outcome.AUTH),
        (b"<html>", "200 OK", Outcome.SERVER_ERROR),
        (b'{"choices": 7}', "200 OK", Outcome.SERVER_ERROR),
    ],
    ids=["empty", "refused key", "web page", "no reply"],
)
async def test_what_is_no_answer_ends_as_a_probe_does(body: bytes, head: str, outcome: Outcome) -> None:
    """With the outcome and its detail."""
    async with serving(answering(body, head=head)) as url:
        answer = await new_prober().ask(target(url), PLAIN)
    assert answer.observation.outcome is outcome
    assert answer.observation.detail


@pytest.mark.slow
async def test_an_endless_answer_costs_its_deadline_alone() -> None:
    """And no memory."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    async with serving(sending(head, b" ", then="repeat", pause_s=0.05)) as url:
        answer = await new_prober().ask(target(url, timeouts=QUICK), PLAIN)
    assert answer.observation.outcome is Outcome.TIMEOUT


async def test_a_claimed_cost_is_believed_within_reason() -> None:
    """Up to fifty times what the answer costs at most: one wrong figure must not use up a budget."""
    usage = {"prompt_tokens": 20, "completion_tokens": 900_000}
    body = json.dumps({"choices": [{"message": {"content": "42"}}], "usage": usage}).encode()
    async with serving(answering(body)) as url:
        asked = target(url)
        priced = Target(
            provider=asked.provider, model="m", timeouts=asked.timeouts, price=Price(input_usd=1, output_usd=10)
        )
        assert (await new_prober().ask(priced, PLAIN)).observation.cost_usd is None
        patient = Question(prompt="?", max_tokens=20_000)
        assert (await new_prober().ask(priced, patient)).observation.cost_usd == pytest.approx(9.0, rel=0.01)
