"""The `bedrock` dialect: what it asks, and a whole exchange over sockets with a bearer key."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from probes.checks import SCHEMA, Task
from probes.dialects.registry import DIALECTS
from probes.json_values import MalformedError
from probes.observation import Observation
from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check, Price, Provider, Secret, Target, Timeouts
from tests.support.bedrock_server import NONCE, Asked, answer, bedrock, correct_stream, stream
from tests.support.frames import event, frames

KEY = "ABSKQmVkcm9ja0FQSUtleS1leGFtcGxlLWFmb3ItdGVzdHM="
BEDROCK = DIALECTS["bedrock"]
NOVA = "amazon.nova-micro-v1:0"


def target(base_url: str = "http://x", model: str = NOVA, *, signing: bool = False) -> Target:
    """A model of this name."""
    provider = Provider(
        name="aws", dialect="bedrock", base_url=base_url, api_key=Secret(KEY), region="us-east-1", signing=signing
    )
    patient = Timeouts(connect_s=30, first_token_s=30, total_s=30)
    return Target(provider=provider, model=model, timeouts=patient, price=Price(input_usd=1, output_usd=2))


def body_for(model: str, check: Check = Check.CHAT) -> dict[str, Any]:
    """The body of the request that a check makes."""
    request = BEDROCK.build_request(target(model=model), Task(check=check, nonce=NONCE))
    body: dict[str, Any] = json.loads(request.content)
    return body


@pytest.mark.parametrize(
    ("model", "tokens", "extra"),
    [
        (NOVA, 64, None),
        ("eu.amazon.nova-micro-v1:0", 64, None),
        ("us.anthropic.claude-haiku-5-5-20260901-v1:0", 64, {"thinking": {"type": "disabled"}}),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0", 64, None),
        ("global.anthropic.claude-sonnet-5-5", 2048, None),
        ("openai.gpt-oss-20b-1:0", 512, {"reasoning_effort": "low"}),
        ("global.openai.gpt-5.6-luna", 64, {"reasoning": {"effort": "none"}}),
        ("somebody.else-v1:0", 1024, None),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x7", 1024, None),
    ],
)
def test_a_model_gets_the_parameters_of_its_family(model: str, tokens: int, extra: dict[str, Any] | None) -> None:
    """The prompt, the family's budget and what keeps it from reasoning, under any prefix; nothing else."""
    said = [{"role": "user", "content": [{"text": f"Reply with exactly this word: {NONCE}"}]}]
    fields = {"additionalModelRequestFields": extra} if extra else {}

    assert body_for(model) == {"messages": said, "inferenceConfig": {"maxTokens": tokens}, **fields}
    assert body_for(model, Check.STREAM) == body_for(model)


def test_a_schema_is_sent_as_a_string() -> None:
    """Converse takes the schema of a structured reply as JSON inside JSON."""
    form = body_for(NOVA, Check.STRUCTURED)["outputConfig"]["textFormat"]

    assert form["type"] == "json_schema"
    assert json.loads(form["structure"]["jsonSchema"]["schema"]) == SCHEMA


@pytest.mark.parametrize(
    ("model", "forced"), [(NOVA, True), ("openai.gpt-oss-20b-1:0", True), ("meta.llama4-v1:0", False)]
)
def test_a_tool_is_forced_where_that_is_allowed(model: str, forced: bool) -> None:
    """Others are offered it alone: they would refuse the request."""
    offered = body_for(model, Check.TOOL)["toolConfig"]

    assert offered["tools"][0]["toolSpec"]["inputSchema"] == {"json": SCHEMA}
    assert offered.get("toolChoice") == ({"tool": {"name": "report"}} if forced else None)


@pytest.mark.parametrize(
    ("check", "path"),
    [
        (Check.CHAT, "converse"),
        (Check.STREAM, "converse-stream"),
        (Check.STRUCTURED, "converse"),
        (Check.TOOL, "converse"),
        (Check.EMBEDDING, "invoke"),
    ],
)
def test_the_address_holds_the_quoted_model(check: Check, path: str) -> None:
    """Colons and the slashes of an ARN are escaped, and the key is in no part of the address."""
    request = BEDROCK.build_request(target(model="arn:aws:x/y:0"), Task(check=check, nonce=NONCE))

    assert request.url == f"http://x/model/arn%3Aaws%3Ax%2Fy%3A0/{path}"


def test_a_signed_request_holds_no_key() -> None:
    """Whoever signs adds the headers; a bearer key beside them would be refused."""
    task = Task(check=Check.CHAT, nonce=NONCE)

    assert BEDROCK.build_request(target(), task).headers == {"Authorization": f"Bearer {KEY}"}
    assert BEDROCK.build_request(target(signing=True), task).headers == {}


@pytest.mark.parametrize(("dimensions", "sent"), [(None, {}), (256, {"dimensions": 256})])
def test_an_embedding_may_name_its_length(dimensions: int | None, sent: dict[str, int]) -> None:
    """Titan takes the length where one is wanted; the first Titan knows no such word."""
    task = Task(check=Check.EMBEDDING, nonce=NONCE, dimensions=dimensions)

    assert json.loads(BEDROCK.build_request(target(), task).content) == {"inputText": NONCE, **sent}


def test_arguments_nested_too_deeply_are_malformed() -> None:
    """A call whose arguments cannot be written back as JSON is no reply."""
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    block = {"toolUse": {"name": "report", "input": deep}}

    with pytest.raises(MalformedError):
        BEDROCK.read_reply({"output": {"message": {"content": [block]}}})


def converse(*content: dict[str, Any], stop: str = "end_turn") -> bytes:
    """A whole answer."""
    usage = {"inputTokens": 9, "outputTokens": 4, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 2}
    message = {"role": "assistant", "content": content}
    return answer(json.dumps({"output": {"message": message}, "stopReason": stop, "usage": usage}).encode())


TOOL_USE = {"toolUse": {"toolUseId": "1", "name": "report", "input": {"word": NONCE, "number": 7}}}
ANSWERS = {
    Check.CHAT: converse({"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": NONCE}),
    Check.STREAM: correct_stream(),
    Check.STRUCTURED: converse({"text": json.dumps({"word": NONCE, "number": 7})}),
    Check.TOOL: converse(TOOL_USE, stop="tool_use"),
    Check.EMBEDDING: answer(json.dumps({"embedding": [0.5, -1], "inputTextTokenCount": 9}).encode()),
}


async def probe(reply: bytes, check: Check) -> tuple[Observation, Asked]:
    """One probe over a real socket, and what the server saw of it."""
    seen: list[Asked] = []

    def answering(asked: Asked) -> bytes:
        seen.append(asked)
        return reply

    async with bedrock(answering) as url:
        prober = Prober(clock=lambda: datetime.now(UTC), nonce=lambda: NONCE)
        observation = await prober.probe(target(url), check)
    return observation, seen[0]


@pytest.mark.parametrize("check", Check)
async def test_every_check_is_answered_over_a_socket(check: Check) -> None:
    """With a bearer key over plain HTTP; tokens are counted, cached ones among them, and paid for."""
    seen, asked = await probe(ANSWERS[check], check)

    assert (seen.outcome, seen.detail) == (Outcome.OK, "")
    assert (asked.method, asked.headers["authorization"]) == ("POST", f"Bearer {KEY}")
    assert asked.headers["accept"] == ("*/*" if check == Check.STREAM else "application/json")
    assert asked.headers["content-type"] == "application/json"
    assert (seen.first_token_s is not None) == (check == Check.STREAM)
    in_all = {Check.EMBEDDING: (9, None, None), Check.STREAM: (12, 4, 3)}.get(check, (14, 4, 3))
    assert (seen.input_tokens, seen.output_tokens, seen.cached_tokens) == in_all
    assert seen.cost_usd


BROKEN = {
    "a stream that ends before its stop": stream(event("contentBlockDelta", {"delta": {"text": NONCE}})),
    "a stream cut inside a frame": stream(frames('{"event": "messageStart", "keep": 30}')),
    "a frame with a wrong checksum": stream(frames('{"event": "messageStart", "spoil": "checksum"}')),
    "an aborted transfer": correct_stream()[:-40],
    "frames that are none": stream(b"data: {}\n\n"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_stream_that_breaks_is_told_from_one_that_ends(case: str) -> None:
    """Over a real socket every fault of the frames is `broken_stream`, though AWS's clients let the first one pass."""
    seen, _ = await probe(BROKEN[case], Check.STREAM)

    assert seen.outcome is Outcome.BROKEN_STREAM
    assert seen.detail


async def test_an_exception_in_the_stream_is_read() -> None:
    """After a 200, throttling is throttling."""
    line = '{"exception": "throttlingException", "payload": {"message": "Too many requests"}}'
    seen, _ = await probe(stream(frames(line)), Check.STREAM)

    assert (seen.outcome, seen.http_status) == (Outcome.RATE_LIMITED, 200)
    assert seen.detail == "error inside the stream: throttlingException: Too many requests"
