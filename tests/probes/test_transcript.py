"""What `once -v` shows of one probe, over real sockets: all of it, and nothing that must not be shown."""

import base64
import json
import re

import pytest

from monitor.clock import utc_now
from probes.dialects.registry import DIALECTS
from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check, Provider, Secret, Target, Timeouts
from probes.transcript import Transcript, describe_outcome, split_events
from tests.support.frames import event
from tests.support.raw_server import DONE, GOOD, KEY, SSE, TOKEN, talking, whole

PATIENT = Timeouts(connect_s=30, first_token_s=30, total_s=30)
QUICK = Timeouts(connect_s=1, first_token_s=1, total_s=1)
BASE64 = base64.b64encode(f"user:{KEY}".encode())


async def examined(
    *pieces: bytes, check: Check = Check.CHAT, then_hang: bool = False, dialect: str = "openai-chat", query: str = ""
) -> Transcript:
    """The examination of one probe to a provider that says these bytes."""
    with talking(*pieces, then_hang=then_hang) as url:
        return await examine(f"{url}/v1{query}", check, QUICK if then_hang else PATIENT, dialect)


async def examine(url: str, check: Check, timeouts: Timeouts, dialect: str = "openai-chat") -> Transcript:
    """The examination of one probe to this address."""
    provider = Provider(name="openai", dialect=dialect, base_url=url, api_key=Secret(KEY), api_key_env="OPENAI_API_KEY")
    target = Target(provider=provider, model="gpt-6-luna", timeouts=timeouts)
    return await Prober(clock=utc_now).probe_with_transcript(target, check)


def quote_all(text: str) -> str:
    """Every character percent-encoded."""
    return "".join(f"%{ord(letter):02x}" for letter in text)


def stages(one: Transcript) -> list[str]:
    """The tests that were made, in order."""
    return [step.partition(":")[0] for step in one.reasoning]


async def test_a_whole_reply_is_shown_and_explained() -> None:
    """Request, response and every test in the order of the taxonomy, down to whose fault it is."""
    one = await examined(whole())
    assert one.request is not None
    assert one.response is not None
    assert (one.request.method, one.request.url.rpartition(":")[2].partition("/")[2]) == ("POST", "v1/chat/completions")
    assert dict(one.request.headers)["Authorization"] == "Bearer *** (OPENAI_API_KEY)"
    assert json.loads(one.request.body)["model"] == "gpt-6-luna"
    assert (one.response.status, one.response.events) == (200, ())
    assert json.loads(one.response.body or "")["usage"]["completion_tokens"] == 6
    expected = ["transport", "status", "content type", "error", "envelope", "finish reason", "check", "time", "outcome"]
    assert stages(one) == expected
    assert one.reasoning[-1] == "outcome: ok: nobody's fault; evidence for up"
    assert one.observation.outcome is Outcome.OK


async def test_a_stream_is_shown_event_by_event() -> None:
    """As the events came, keep-alives among them, each with its time; the terminator is one of the tests."""
    one = await examined(SSE, b": keep-alive\n\n", TOKEN, DONE, check=Check.STREAM)
    assert one.response is not None
    assert one.response.body is None
    assert [event.data.partition("{")[0] for event in one.response.events] == [
        ": keep-alive",
        "data: ",
        "data: ",
        "data: ",
        "data: [DONE]",
    ]
    times = [event.at_s for event in one.response.events]
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] <= one.observation.duration_s
    assert [event.number for event in one.response.events] == [1, 2, 3, 4, 5]
    assert one.response.event_count == 5
    assert "terminator: the stream has it" in one.reasoning
    assert stages(one)[-1] == "outcome"


async def test_a_probe_and_its_examination_are_judged_alike() -> None:
    """The same code asks, reads and judges."""
    with talking(whole(b'{"error": {"code": "slow_down"}}', status="429 No")) as url:
        provider = Provider(name="p", dialect="openai-chat", base_url=url, api_key=Secret(KEY))
        target = Target(provider=provider, model="m")
        prober = Prober(clock=utc_now)
        seen, one = await prober.probe(target, Check.CHAT), await prober.probe_with_transcript(target, Check.CHAT)
    assert (seen.outcome, seen.detail) == (one.observation.outcome, one.observation.detail)
    assert seen.outcome is Outcome.OVERLOADED


@pytest.mark.parametrize(
    ("body", "status", "step"),
    [
        (
            b'{"error":{"code":"insufficient_quota","message":"no"}}',
            "429 No",
            r"error: insufficient_quota: no; openai-chat: rule \d+ \(code insufficient_quota\)",
        ),
        (
            b'{"error":{"message":"The engine is currently overloaded"}}',
            "429 No",
            r"error: .*overloaded; openai-chat: rule \d+ \(the words 'overloaded'\)",
        ),
        (b'{"error":{"message":"no"}}', "418 No", r"error: no; openai-chat: no rule, so the status 418 alone"),
        (b"<html>", "502 No", r"error: a web page, so the status alone decides"),
        (b"oh", "500 No", r"error: a body that is not JSON, or not all of it, so the status alone decides"),
        (
            b'{"error":{"type":"requests"}}',
            "200 OK",
            r"error: requests; openai-chat: no rule, so the code requests alone",
        ),
        (
            b'{"error":{"type":"never_heard_of"}}',
            "200 OK",
            r"error: never_heard_of; openai-chat: no rule and no known code, so the provider's fault",
        ),
        (b"{}", "200 OK", r"envelope: JSON without choices\[0\].message"),
        (b'{"choices": [{"message": {"content": "x"}}]}', "200 OK", r"check: chat: the reply lacks the requested word"),
        (b"", "302 Away", r"status: 302, a redirect, which is never followed: it would send the key elsewhere"),
    ],
    ids=[
        "a code",
        "words",
        "a status",
        "a page",
        "no JSON",
        "a kind",
        "a kind that nobody knows",
        "no envelope",
        "wrong content",
        "a redirect",
    ],
)
async def test_the_test_that_decided_is_named(body: bytes, status: str, step: str) -> None:
    """The last step before the outcome (and the finish reason) is what made it that."""
    one = await examined(whole(body, status=status))
    assert re.match(step, one.reasoning[-2]), one.reasoning
    assert one.reasoning[-1] == f"outcome: {describe_outcome(one.observation.outcome)}"


@pytest.mark.slow
async def test_a_timeout_shows_what_there_was() -> None:
    """The request, no response, and one step: nothing else was tested."""
    one = await examined(then_hang=True)
    assert one.request is not None
    assert one.response is None
    assert stages(one) == ["transport", "outcome"]
    assert one.reasoning[-1].endswith("fault undecided; evidence for down, unless we are blind")


@pytest.mark.slow
async def test_a_stall_shows_the_events_before_it() -> None:
    """What came is there, and the terminator that did not come is the reason."""
    one = await examined(SSE, TOKEN, then_hang=True, check=Check.STREAM)
    assert one.response is not None
    assert len(one.response.events) == 1
    assert one.reasoning[-2].startswith("terminator: missing, because the stream stalled after the first token")


async def test_an_address_where_nobody_listens() -> None:
    """Nothing came, and the reason says so."""
    one = await examine("http://127.0.0.1:1/v1", Check.CHAT, PATIENT)
    assert one.response is None
    assert one.reasoning[0] == "transport: 127.0.0.1:1 refused the connection"


HOSTILE = f"\x1b]0;pwned\x07 \x9b31m \u202e {KEY} {KEY.upper()} {quote_all(KEY)} ".encode() + BASE64


def everything(one: Transcript) -> str:
    """All text of it as one string."""
    parts = [one.observation.detail, *one.reasoning]
    if one.request:
        parts += [one.request.url, one.request.body, *(f"{name}: {value}" for name, value in one.request.headers)]
    if one.response:
        parts += [one.response.body or "", *(f"{name}: {value}" for name, value in one.response.headers)]
        parts += [event.data for event in one.response.events]
    return "\n".join(parts)


def assert_harmless(one: Transcript) -> None:
    """No key in any spelling, and nothing that is invisible or drives a terminal."""
    text = everything(one)
    bare = re.sub(r"\\x..|\\u....", "", text).lower()
    for spelled in (KEY, BASE64.decode()[4:], quote_all(KEY)):
        for start in range(len(spelled) - 15):
            assert spelled[start : start + 16].lower() not in bare
    assert all(letter == "\n" or letter.isprintable() for letter in text)


async def test_a_hostile_reply_is_harmless() -> None:
    """Terminal escapes are spelled out; the key is masked in the body, a header, base64 and percent-encoded."""
    one = await examined(whole(HOSTILE, status="500 No", headers=f"x-echo: {KEY}\r\nset-cookie: id=7\r\n"))
    assert_harmless(one)
    assert one.response is not None
    assert "\\x1b]0;pwned\\x07" in (one.response.body or "")
    assert (dict(one.response.headers)["x-echo"], dict(one.response.headers)["set-cookie"]) == ("***", "***")


async def test_a_hostile_stream_is_harmless() -> None:
    """The same event by event."""
    one = await examined(SSE, b"data: " + HOSTILE + b"\n\n", check=Check.STREAM)
    assert_harmless(one)
    assert one.observation.outcome is Outcome.BROKEN_STREAM


async def test_a_key_spelled_over_many_events_is_not_shown() -> None:
    """Pieces too small to be masked must not add up to the key."""
    spelled = [
        b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % KEY[at : at + 4].encode() for at in range(0, 24, 4)
    ]
    one = await examined(SSE, *spelled, DONE, check=Check.STREAM)
    assert one.response is not None
    assert {event.data for event in one.response.events} == {"(not shown: together, the events contain a key)"}


async def test_a_large_body_is_cut() -> None:
    """Its beginning and its end are shown, and how much is missing."""
    one = await examined(whole(b"[" + b"1," * 500_000 + b'"end"]'))
    assert one.response is not None
    assert one.response.body is not None
    assert len(one.response.body) <= 64_000
    assert re.search(r"\n… 936,\d\d\d more characters …\n", one.response.body)
    assert one.response.body.endswith('"end"]')


async def test_a_body_that_grows_when_it_is_spelled_out_is_cut() -> None:
    """Six characters stand for one that is invisible."""
    one = await examined(whole(("\u202e" * 60_000).encode()))
    assert one.response is not None
    assert len(one.response.body or "") <= 64_000


async def test_a_flood_of_events_is_cut() -> None:
    """The first and the last are shown with their numbers; a long one is cut."""
    one = await examined(
        SSE, *[b": %d\n\n" % number for number in range(273)], b": " + b"x" * 5_000, check=Check.STREAM
    )
    assert one.response is not None
    assert one.response.event_count == 274
    numbers = [event.number for event in one.response.events]
    assert (numbers[0], numbers[-1], len(numbers)) == (1, 274, 40)
    assert "more characters" in one.response.events[-1].data
    assert len(one.response.events[-1].data) <= 1_000


async def test_a_frame_cut_anywhere_is_one_event() -> None:
    """However TCP cuts it, and with whatever line ends."""
    one = await examined(SSE, *(bytes([byte]) for byte in b": a\r\n: b\r\n\r\n: c"), check=Check.STREAM)
    assert one.response is not None
    assert [event.data for event in one.response.events] == [": a\n: b", ": c"]


def test_binary_events_are_shown_decoded() -> None:
    """A name and the text that it holds; a corrupt frame is called one."""
    sound = event("messageStop", {"stopReason": "end_turn"})
    pieces = [(float(at), sound[at : at + 1]) for at in range(len(sound))]
    pieces += [(500.0, b"x" * 40)]
    assert list(split_events(pieces, DIALECTS["bedrock"])) == [
        (len(sound) - 1, 'messageStop: {"stopReason":"end_turn"}'),
        (500, "(a frame with a wrong checksum of its lengths)"),
    ]


async def test_secrets_in_an_address_are_not_shown() -> None:
    """A password before the host and a parameter that is a key are masked, others stay."""
    with talking(whole()) as url:
        one = await examine(url.replace("//", "//me:hunter2@") + "/v1?api-key=abc&x=1&sig=q", Check.CHAT, PATIENT)
    assert one.request is not None
    assert re.fullmatch(r"http://\*\*\*@127.0.0.1:\d+/v1\?api-key=\*\*\*&x=1&sig=\*\*\*", one.request.url), (
        one.request.url
    )
    assert "hunter2" not in everything(one)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_no_dialect_shows_its_key(dialect: str) -> None:
    """Wherever a dialect puts the key, it is masked, and where it comes from is said."""
    one = await examined(whole(GOOD), dialect=dialect, check=min(DIALECTS[dialect].checks))
    assert one.request is not None
    assert KEY not in everything(one)
    assert any("*** (OPENAI_API_KEY)" in value for _, value in one.request.headers), one.request.headers
