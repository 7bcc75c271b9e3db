"""Converts values to rows of the tables and back. Texts are cut and cleaned; instants become epoch milliseconds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, RowMapping

from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.detection.quiet_progress import QuietProgress
from monitor.health import TargetHealth, Transition, WeighedProbe
from monitor.liveness import ServiceBeat
from monitor.status_pages.reading import LONGEST_HEADLINE, VendorState, VendorStateChange
from monitor.storage.column_conversions import RowMapper, from_ms, storable, to_ms, truncate
from monitor.storage.tables import ConnectivityRow, EventRow, TargetStateRow, TransitionRow, VendorReportRow
from probes.observation import Observation
from probes.outcome import Outcome

_LONGEST_REASON: Final = 2_000
#: Characters of the columns that are cut.
_LONGEST: Final = {
    "detail": 500,
    "deprecation": 500,
    "request_id": 200,
    "model": 200,
    "reason": _LONGEST_REASON,
    "headline": LONGEST_HEADLINE,
    "url": 2_000,
    "refused": 1_000,
}
_OBSERVATION: Final = RowMapper(Observation, "check", "fresh", "afresh", "under_way", longest=_LONGEST)
_HEALTH: Final = RowMapper(
    TargetHealth, "held_until", "proven", "low_limit", "failing_context", "recent", longest=_LONGEST
)
PROGRESS: Final = RowMapper(QuietProgress)
"""What good answers have changed."""
_TRANSITION: Final = RowMapper(Transition, "trail", longest=_LONGEST)
_VENDOR_REPORT: Final = RowMapper(VendorStateChange, "state", longest=_LONGEST)
BEAT: Final = RowMapper(ServiceBeat, longest=_LONGEST)
"""The service's sign of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTargetState:
    """The state of one target at one instant: its health, and what the detector needs to go on after a restart."""

    health: TargetHealth
    at: datetime
    record: str
    """The detector's JSON; the store does not read it."""
    progress: QuietProgress | None = None
    """What good answers have changed since then."""


def event_row(at: datetime, kind: str, subject: str, text: str, *, notify: bool = False) -> EventRow:
    """The row of an event, for what is stored in one transaction with something else. `notify`: Slack is told of it."""
    return EventRow(
        at_ms=to_ms(at),
        kind=kind,
        subject=storable(subject),
        text=truncate(text, _LONGEST_REASON),
        telling="due" if notify else None,
    )


def observation_row(observation: Observation) -> dict[str, object]:
    """The row of an observation, as Core inserts it in bulk: observations are the hot path."""
    flags = {"reused": None if observation.fresh else 1, "afresh": 1 if observation.afresh else None}
    return {**_OBSERVATION.columns(observation), "check_": storable(observation.check), **flags}


def observation_of(row: Mapping[str, Any] | RowMapping) -> Observation:
    """The observation of a row; replay reads them by the hundred thousand."""
    values = dict(row)
    return Observation(
        started_at=from_ms(values.pop("started_ms")),
        check=values.pop("check_"),
        outcome=Outcome(values.pop("outcome")),
        fresh=not values.pop("reused"),
        failed_here=bool(values.pop("failed_here")),
        afresh=bool(values.pop("afresh")),
        **values,
    )


def state_row(state: SavedTargetState) -> dict[str, object]:
    """The row of a target's state, as Core replaces it in bulk, once per control cycle."""
    return {**_HEALTH.columns(state.health), "at_ms": to_ms(state.at), "record": storable(state.record)}


def state_of(row: TargetStateRow, progress: QuietProgress | None) -> SavedTargetState:
    """The state of a row, and what has changed since."""
    health = _HEALTH.value(row)
    if progress:
        health = replace(health, last_ok_at=progress.last_seen_at)
    return SavedTargetState(health=health, at=from_ms(row.at_ms), record=row.record, progress=progress)


def transition_row(transition: Transition) -> TransitionRow:
    """The row of a transition; its trail is a JSON list of [epoch ms, target, outcome, evidence], with 1 where late."""
    trail = [
        [to_ms(w.at), storable(w.target), w.outcome.value, round(w.evidence, 3), *([1] if w.late else [])]
        for w in transition.trail
    ]
    return TransitionRow(**_TRANSITION.columns(transition), trail=json.dumps(trail) if trail else None)


def transition_of(row: TransitionRow | Row[Any]) -> Transition:
    """The transition of a row."""
    return _TRANSITION.value(row, trail=read_trail(row.trail))


def read_trail(text: str | None) -> tuple[WeighedProbe, ...]:
    """The evidence trail of a transition's row."""
    rows = json.loads(text) if text else []
    return tuple(
        WeighedProbe(at=from_ms(at_ms), target=target, outcome=Outcome(outcome), evidence=evidence, late=bool(late))
        for at_ms, target, outcome, evidence, *late in rows
    )


def connectivity_row(observation: ConnectivityObservation) -> ConnectivityRow:
    """The row of a connectivity observation."""
    return ConnectivityRow(
        at_ms=to_ms(observation.at),
        sight=observation.state.value,
        asked=storable(json.dumps(observation.asked)),
        answered=storable(json.dumps(sorted(observation.answered))),
    )


def connectivity_of(row: ConnectivityRow) -> ConnectivityObservation:
    """The connectivity observation of a row."""
    return ConnectivityObservation(
        at=from_ms(row.at_ms),
        state=ConnectivityState(row.sight),
        asked=tuple(json.loads(row.asked)),
        answered=frozenset(json.loads(row.answered)),
    )


def vendor_report_row(report: VendorStateChange) -> VendorReportRow:
    """The row of what a vendor's status page says."""
    return VendorReportRow(**_VENDOR_REPORT.columns(report), state=report.state.value)


def vendor_report_of(row: VendorReportRow) -> VendorStateChange:
    """The report of a row; a state that this version does not know is `unknown`."""
    state = next((state for state in VendorState if state == row.state), VendorState.UNKNOWN)
    return _VENDOR_REPORT.value(row, state=state)
