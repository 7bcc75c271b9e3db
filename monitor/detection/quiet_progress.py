"""What good answers change in the state of a target that nothing speaks against: little, but with each of them (pure).

It is stored by itself, so that a state of which nothing else has changed need not be written again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from monitor.detection import target_state
from monitor.detection.latency import LatencyEvidence
from monitor.detection.target_state import TargetState

_CHANGED: Final = frozenset({"latency", "clean_pending", "last_started_at", "last_seen_at", "last_ok_at", "regular_at"})
_LATENCY: Final = TypeAdapter(LatencyEvidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietProgress:
    """What has changed in the state of one target since it was stored whole; the newest answer was a good one."""

    target: str
    at: datetime
    """When this was stored."""
    clean_pending: int
    last_started_at: datetime
    last_seen_at: datetime
    regular_at: datetime | None
    latency: str
    """As JSON; the store does not read it."""


def is_quiet(before: TargetState, after: TargetState) -> bool:
    """Whether only good answers were added, to a target that is up and has no evidence against it."""
    if not (after.no_evidence and after.clean_pending > before.clean_pending):
        return False
    if after.last_started_at is None or before.last_started_at is None:
        return False
    names = before.__dict__.keys() | after.__dict__.keys()
    same = all(getattr(after, name) is getattr(before, name) for name in names if name not in _CHANGED)
    return same and after.last_started_at >= before.last_started_at and after.last_ok_at == after.last_seen_at


def progress_of(state: TargetState, now: datetime) -> QuietProgress:
    """That of a target whose newest answer was a good one."""
    return QuietProgress(
        target=state.target,
        at=now,
        clean_pending=state.clean_pending,
        last_started_at=state.last_started_at or now,
        last_seen_at=state.last_seen_at or now,
        regular_at=state.regular_at,
        latency=_LATENCY.dump_json(state.latency, exclude_defaults=True, by_alias=True).decode(),
    )


def read_state(record: str, progress: QuietProgress | None) -> TargetState | None:
    """The state that was stored so; None where the record is none (another version's)."""
    return go_on(target_state.from_json(record), progress)


def go_on(state: TargetState | None, progress: QuietProgress | None) -> TargetState | None:
    """A stored state with what has changed since, its times to the millisecond."""
    if state is None or progress is None:
        return state
    try:
        latency = _LATENCY.validate_json(progress.latency)
    except ValidationError:
        return state
    return state.replace(
        latency=latency,
        clean_pending=progress.clean_pending,
        last_started_at=progress.last_started_at,
        last_seen_at=progress.last_seen_at,
        last_ok_at=progress.last_seen_at,
        regular_at=progress.regular_at,
    )
