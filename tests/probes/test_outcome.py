"""The taxonomy, and every recorded reply of every dialect against it.

A recorded reply (`tests/data/replies/<dialect>/<name>.txt`) is: the check, the outcome it must end in and what else
must be read from it; the HTTP status; headers; a blank line; the body. Where the content type is AWS's event stream,
the body is the lines of JSON that `tests/support/frames.py` makes frames of.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest

from probes.checks import Task
from probes.classifier import Classification, classify_response
from probes.dialects.registry import DIALECTS
from probes.exchange import Exchange
from probes.outcome import Blame, Effect, Outcome
from probes.target import Check, Provider, Secret, Target
from tests.support.frames import frames
from tests.support.paths import DATA, DOCS

REPLIES = DATA / "replies"
NONCE = "k7f3q9x2"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
#: These follow from the clock, not from a reply.
FROM_THE_CLOCK = {Outcome.TIMEOUT, Outcome.SLOW}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One file of `tests/data/replies`."""

    dialect: str
    name: str
    check: Check
    outcome: Outcome
    details: dict[str, str]
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    binary: bool
    """Whether the body is frames, which have no line ends."""

    @classmethod
    def load(cls, path: Path) -> "Recorded":
        """Reads one file."""
        head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
        expected, status, *headers = head.split("\n")
        check, outcome, *details = expected.split()
        binary = "content-type: application/vnd.amazon.eventstream" in headers
        return cls(
            dialect=path.parent.name,
            name=path.stem,
            check=Check(check),
            outcome=Outcome(outcome),
            details=dict(detail.split("=", 1) for detail in details),
            status=int(status.removeprefix("HTTP ")),
            headers=[(name, value.strip()) for name, _, value in (line.partition(":") for line in headers)],
            body=frames(body) if binary else body.encode(),
            binary=binary,
        )


RECORDED = [Recorded.load(path) for path in sorted(REPLIES.glob("*/*.txt"))]


def whole(body: bytes) -> Iterator[bytes]:
    """As one piece."""
    yield body


def byte_by_byte(body: bytes) -> Iterator[bytes]:
    """Cut inside lines and characters."""
    yield from (body[i : i + 1] for i in range(len(body)))


def with_crlf(body: bytes) -> Iterator[bytes]:
    """With the line ends that Gemini sends, cut between CR and LF."""
    for line in body.splitlines(keepends=True):
        yield line.rstrip(b"\n") + b"\r" if line.endswith(b"\n") else line
        yield b"\n" if line.endswith(b"\n") else b""


CUTS = [(reply, cut) for cut in (whole, byte_by_byte, with_crlf) for reply in RECORDED]


def verdict(recorded: Recorded, cut: Callable[[bytes], Iterator[bytes]]) -> Classification:
    """What the prober would conclude from a reply that arrives in these pieces."""
    provider = Provider(name="p", dialect=recorded.dialect, base_url="http://x", api_key=Secret("sk-secret-key"))
    target = Target(provider=provider, model="m")
    exchange = Exchange(target=target, check=recorded.check, started_at=NOW, monotonic=monotonic)
    exchange.receive_headers(recorded.status, {name.lower(): value for name, value in recorded.headers})
    if not any(exchange.receive(piece) for piece in cut(recorded.body)):
        exchange.receive_end()
    task = Task(check=recorded.check, nonce=NONCE)
    return classify_response(DIALECTS[recorded.dialect], task, exchange.response(None), now=NOW)


@pytest.mark.parametrize(
    ("recorded", "cut"),
    [(reply, cut) for reply, cut in CUTS if not (reply.binary and cut is with_crlf)],
    ids=lambda value: f"{value.dialect}-{value.name}" if isinstance(value, Recorded) else value.__name__,
)
def test_a_recorded_reply_ends_in_its_outcome(recorded: Recorded, cut: Callable[[bytes], Iterator[bytes]]) -> None:
    """Every reply of the record ends in the outcome written beside it, however its bytes are cut."""
    found = verdict(recorded, cut)

    assert found.outcome is recorded.outcome, found.detail
    read = {name: str(getattr(found if hasattr(found, name) else found.reply, name)) for name in recorded.details}
    assert read == recorded.details
    assert bool(found.detail) == (found.outcome is not Outcome.OK), "a sentence for everything but ok"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("outcome", sorted(set(Outcome) - FROM_THE_CLOCK))
def test_every_outcome_of_a_dialect_has_an_example(dialect: str, outcome: Outcome) -> None:
    """There is a recorded reply for every outcome that a reply in this dialect can end in."""
    assert any(r.dialect == dialect and r.outcome is outcome for r in RECORDED)


@pytest.mark.parametrize(
    ("dialect", "check"),
    [(name, check) for name, dialect in DIALECTS.items() for check in sorted(dialect.checks)],
)
def test_every_check_of_a_dialect_has_examples(dialect: str, check: Check) -> None:
    """Each question that can be asked in a dialect has a reply that satisfies it, and one that does not."""
    found = {r.outcome for r in RECORDED if r.dialect == dialect and r.check == check}

    assert {Outcome.OK, Outcome.BAD_ANSWER} <= found


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_blame_and_effect(outcome: Outcome) -> None:
    """No outcome is without a meaning, and only a provider's or undecided faults speak for down or degraded."""
    assert isinstance(outcome.blame, Blame)
    if outcome.effect in {Effect.DOWN, Effect.DEGRADED}:
        assert outcome.blame in {Blame.PROVIDER, Blame.UNDECIDED}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_documented(outcome: Outcome) -> None:
    """docs/outcomes.md has a row for the outcome, with its blame."""
    rows = (DOCS / "outcomes.md").read_text(encoding="utf-8").splitlines()
    row = next((row for row in rows if row.replace(" ", "").startswith(f"|`{outcome}`|")), "")

    assert outcome.blame.value in row
