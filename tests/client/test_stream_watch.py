"""Which pieces of a stream are given, how long it may be silent, and whether it is whole, in every dialect."""

import contextlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hotspare_client.failure import read_failure
from hotspare_client.pieces import read_piece
from hotspare_client.stream_watch import StreamCutError, StreamFailedError, StreamWatch
from hypothesis import given
from hypothesis import strategies as st

from probes.outcome import Outcome
from tests.probes.test_outcome import RECORDED, REPLIES, Recorded

#: Answers that arrived, whatever their words are worth.
ARRIVED = {Outcome.OK, Outcome.BAD_ANSWER, Outcome.REFUSED, Outcome.BUDGET_SPENT}
#: Of Bedrock those that arrived: its frames break below what an SDK gives.
STREAMS = [
    each
    for each in RECORDED
    if each.check == "stream" and each.status == 200 and (each.dialect != "bedrock" or each.outcome in ARRIVED)
]
#: The whole answer with its finish reason, but no `[DONE]`: SDKs show none, and nothing is missing.
WHOLE_ALL_THE_SAME = {
    *("azure-openai/stream_cut_before_done", "openai-chat/no_done_heartbeats_go_on"),
    "openai-chat/stream_cut_before_done",
}
#: Only `[DONE]` tells that it is whole, which SDKs do not show.
CUT_ALL_THE_SAME = {"openai-chat/no_finish_reason_done"}
#: Frames of which no SDK makes an event of the dialect.
OF_NO_SHAPE = {"openai-chat/stream_with_a_list_for_a_frame", "openai-responses/stream_without_types"}


def name_of(recorded: Recorded) -> str:
    """As the exceptions above name it."""
    return f"{recorded.dialect}/{recorded.name}"


def pieces_of(recorded: Recorded) -> Iterator[Any]:
    """What an SDK makes of a stream: each frame as JSON, up to `[DONE]`."""
    if recorded.binary:
        text = (REPLIES / recorded.dialect / f"{recorded.name}.txt").read_text().partition("\n\n")[2]
        for line in filter(None, text.splitlines()):
            frame = json.loads(line)
            yield {frame.get("event"): frame["payload"]}
        return
    for line in recorded.body.decode(errors="replace").splitlines():
        data = line[5:].strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            return
        if data:
            yield json.loads(data)


def as_objects(value: Any) -> Any:
    """As the SDKs have them: attributes in place of keys; null where an object lacks what another has."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_objects(inner) for key, inner in value.items()})
    return [as_objects(inner) for inner in value] if isinstance(value, list) else value


def watch() -> StreamWatch:
    """A stream that began at 100 and may take 10 s to its first piece, and 5 s from piece to piece."""
    return StreamWatch("a/m", began_at=100.0, first_token_s=10.0, stall_s=5.0)


def read_whole(pieces: Iterator[Any]) -> list[Any]:
    """What a caller gets."""
    judge = watch()
    given = [each for piece in pieces for each in judge.take(piece, 0.0)]
    judge.check_end()
    return [*given, *judge.give()]


@pytest.mark.parametrize("recorded", [each for each in STREAMS if name_of(each) not in OF_NO_SHAPE], ids=name_of)
def test_every_recorded_stream_is_whole_or_fails_as_its_outcome_says(recorded: Recorded) -> None:
    """No cut stream passes for whole; no whole one for cut; what a provider says inside has its outcome."""
    arrived = recorded.outcome in ARRIVED and name_of(recorded) not in CUT_ALL_THE_SAME
    if arrived or name_of(recorded) in WHOLE_ALL_THE_SAME:
        assert read_whole(pieces_of(recorded)) == list(pieces_of(recorded))
        return
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any that moves on
        read_whole(pieces_of(recorded))
    told = isinstance(caught.value, StreamFailedError)
    assert read_failure(caught.value, in_stream=True).outcome == (recorded.outcome.value if told else "broken_stream")


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses", "anthropic", "cohere", "gemini"])
def test_objects_are_read_as_keys_are(dialect: str) -> None:
    """An SDK's pieces have attributes."""
    [recorded] = [each for each in STREAMS if name_of(each) == f"{dialect}/stream"]
    pieces = [as_objects(piece) for piece in pieces_of(recorded)]
    assert read_whole(iter(pieces)) == pieces
    with pytest.raises(StreamCutError):
        read_whole(iter(pieces[:-1][:2]))


TOLD = [
    each for each in STREAMS if each.dialect == "openai-responses" and ("error" in each.name or "failed" in each.name)
]


@pytest.mark.parametrize("recorded", TOLD, ids=name_of)
def test_what_a_provider_says_is_read_from_objects_too(recorded: Recorded) -> None:
    """An error event is an object in an SDK that does not raise it."""
    with pytest.raises(StreamFailedError) as caught:
        read_whole(as_objects(piece) for piece in pieces_of(recorded))
    assert read_failure(caught.value, in_stream=True).outcome == recorded.outcome.value


def chunk(text: str = "", *, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """A piece of a chat."""
    return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}], **more}


def test_nothing_is_given_before_a_piece_that_speaks() -> None:
    """A role, a keep-alive or an empty piece is no beginning, so that a failure after it is unseen."""
    judge = watch()
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    assert judge.take(role, 0.0) == []
    assert judge.take(chunk("a"), 0.0) == [role, chunk("a")]
    assert judge.take(chunk(""), 0.0) == [chunk("")]


@pytest.mark.parametrize(
    "piece",
    [
        chunk("a"),
        {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]},
        {"choices": [{"index": 0, "text": "a"}]},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"candidates": [{"content": {"parts": [{"text": "a"}]}}]},
        {"contentBlockDelta": {"delta": {"text": "a"}}},
        "a plain text of some other library",
        SimpleNamespace(content="a"),
    ],
)
def test_pieces_that_speak(piece: object) -> None:
    """Text, reasoning and tool calls do; so does what has no known shape."""
    assert read_piece(piece).speaks


def test_silence_is_counted_from_the_last_piece_that_spoke() -> None:
    """Keep-alives do not lengthen it, and time that the caller takes does not shorten it."""
    judge = watch()
    assert judge.patience_s(103.0, 60.0) == 7.0
    judge.take({"type": "ping"}, 3.0)
    assert judge.patience_s(109.0, 60.0) == 1.0
    judge.take(chunk("a"), 1.0)
    assert judge.patience_s(500.0, 60.0) == 5.0
    judge.take(chunk(""), 4.0)
    assert judge.patience_s(504.0, 60.0) == 1.0
    assert judge.patience_s(504.0, 0.4) == 0.4
    assert judge.patience_s(504.0, -1.0) == 0.0


def test_after_its_end_a_stream_is_hardly_waited_for() -> None:
    """The usage may still come; a connection that stays open does not hold the answer up."""
    judge = watch()
    judge.take(chunk("a", finish="stop"), 0.0)
    assert judge.patience_s(100.0, 60.0) == 0.5
    judge.take({"choices": [], "usage": {"total_tokens": 1}}, 0.0)
    assert judge.patience_s(100.0, 60.0) == 0.1


def test_several_answers_are_whole_when_each_is() -> None:
    """A request for two choices has two ends."""
    pieces = [chunk("a"), chunk("b", index=1), chunk(finish="stop")]
    with pytest.raises(StreamCutError, match=r"^the stream of a/m ended after 3 pieces, without its end$"):
        read_whole(iter(pieces))
    assert len(read_whole(iter([*pieces, chunk(finish="length", index=1)]))) == 4


def test_a_stream_of_bedrock_ends_with_its_message() -> None:
    """What follows is the usage; an exception among the events is a failure."""
    text = {"contentBlockDelta": {"delta": {"text": "a"}}}
    assert len(read_whole(iter([text, {"messageStop": {}}, {"metadata": {"usage": {}}}]))) == 3
    with pytest.raises(StreamCutError):
        read_whole(iter([text]))
    with pytest.raises(StreamFailedError) as caught:
        read_whole(iter([text, {"throttlingException": {"message": "Too many requests"}}]))
    assert read_failure(caught.value, in_stream=True).outcome == "rate_limited"


def test_an_empty_stream_is_no_answer() -> None:
    """Whatever its dialect; one of another library's shape ends where it ends."""
    with pytest.raises(StreamCutError):
        read_whole(iter([]))
    assert read_whole(iter(["a", "b"])) == ["a", "b"]


def test_endless_keep_alives_are_not_held_for_ever() -> None:
    """After a thousand of them they are given, so that memory stays bounded."""
    judge = watch()
    given = [judge.take({"type": "ping"}, 0.0) for _ in range(1000)]
    assert [len(each) for each in given] == [0] * 999 + [1000]


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["type", "choices", "candidates", "delta", "error", "usage", "object", "messageStop", "x"])


@given(pieces=st.lists(st.dictionaries(NAMES, ANYTHING) | ANYTHING, max_size=5))
def test_any_pieces_are_survived(pieces: list[Any]) -> None:
    """They are given, or the stream has failed or was cut: nothing else."""
    with contextlib.suppress(StreamCutError, StreamFailedError):
        assert len(read_whole(iter(pieces))) == len(pieces)
