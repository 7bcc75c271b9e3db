"""Converts values to rows of the tables and back. Texts are cut and cleaned; instants become epoch milliseconds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, RowMapping

from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.health import Health, TargetHealth, Transition, WeighedProbe
from monitor.liveness import ServiceBeat
from monitor.storage.conversions import fit_integer, from_ms, maybe_from_ms, maybe_to_ms, storable, to_ms, truncate
from monitor.storage.tables import ConnectivityRow, EventRow, ServiceRow, TargetStateRow, TransitionRow
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

_LONGEST_DETAIL: Final = 500
_LONGEST_REQUEST_ID: Final = 200
_LONGEST_REASON: Final = 2_000
_SERVICE_ID: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTargetState:
    """The state of one target at one instant: its health, and what the detector needs to go on after a restart."""

    health: TargetHealth
    at: datetime
    record: str
    """The detector's JSON; the store does not read it."""


def event_row(at: datetime, kind: str, subject: str, text: str, *, tell: bool = False) -> EventRow:
    """The row of an event, for what is stored in one transaction with something else. `tell`: Slack is told of it."""
    return EventRow(
        at_ms=to_ms(at),
        kind=kind,
        subject=storable(subject),
        text=truncate(text, _LONGEST_REASON),
        telling="due" if tell else None,
    )


def observation_row(observation: Observation) -> dict[str, object]:
    """The row of an observation, as Core inserts it in bulk: observations are the hot path."""
    return {
        "target": storable(observation.target),
        "started_ms": to_ms(observation.started_at),
        "check_": observation.check.value,
        "region": storable(observation.region),
        "outcome": observation.outcome.value,
        "duration_s": observation.duration_s,
        "connected_s": observation.connected_s,
        "first_byte_s": observation.first_byte_s,
        "first_token_s": observation.first_token_s,
        "http_status": fit_integer(observation.http_status),
        "retry_after_s": observation.retry_after_s,
        "input_tokens": fit_integer(observation.input_tokens),
        "output_tokens": fit_integer(observation.output_tokens),
        "cost_usd": observation.cost_usd,
        "loop_lag_s": observation.loop_lag_s,
        "request_id": observation.request_id and truncate(observation.request_id, _LONGEST_REQUEST_ID),
        "detail": truncate(observation.detail, _LONGEST_DETAIL),
        "resolved_s": observation.resolved_s,
        "tcp_s": observation.tcp_s,
        "sent_s": observation.sent_s,
        "last_byte_s": observation.last_byte_s,
        "longest_stall_s": observation.longest_stall_s,
        "reused": None if observation.fresh else 1,
        "cached_tokens": fit_integer(observation.cached_tokens),
        "reasoning_tokens": fit_integer(observation.reasoning_tokens),
        "model": observation.model and truncate(observation.model, _LONGEST_REQUEST_ID),
        "deprecation": observation.deprecation and truncate(observation.deprecation, _LONGEST_DETAIL),
    }


def observation_of(row: RowMapping) -> Observation:
    """The observation of a row."""
    values = dict(row)
    return Observation(
        started_at=from_ms(values.pop("started_ms")),
        check=Check(values.pop("check_")),
        outcome=Outcome(values.pop("outcome")),
        fresh=not values.pop("reused"),
        **values,
    )


def state_row(state: SavedTargetState) -> dict[str, object]:
    """The row of a target's state, as Core replaces it in bulk, once per control cycle."""
    health = state.health
    return {
        "target": storable(health.target),
        "at_ms": to_ms(state.at),
        "health": health.health.value,
        "since_ms": to_ms(health.since),
        "reason": truncate(health.reason, _LONGEST_REASON),
        "evidence": health.evidence,
        "threshold": health.threshold,
        "last_ok_ms": maybe_to_ms(health.last_ok_at),
        "record": storable(state.record),
    }


def state_of(row: TargetStateRow) -> SavedTargetState:
    """The state of a row."""
    health = TargetHealth(
        target=row.target,
        health=Health(row.health),
        since=from_ms(row.since_ms),
        reason=row.reason,
        evidence=row.evidence,
        threshold=row.threshold,
        last_ok_at=maybe_from_ms(row.last_ok_ms),
    )
    return SavedTargetState(health=health, at=from_ms(row.at_ms), record=row.record)


def transition_row(transition: Transition) -> TransitionRow:
    """The row of a transition."""
    return TransitionRow(
        target=storable(transition.target),
        at_ms=to_ms(transition.at),
        before=transition.before.value,
        after=transition.after.value,
        reason=truncate(transition.reason, _LONGEST_REASON),
        evidence=transition.evidence,
        threshold=transition.threshold,
        trail=_trail_text(transition.trail),
    )


def transition_of(row: TransitionRow | Row[Any]) -> Transition:
    """The transition of a row."""
    return Transition(
        target=row.target,
        at=from_ms(row.at_ms),
        before=Health(row.before),
        after=Health(row.after),
        reason=row.reason,
        evidence=row.evidence,
        threshold=row.threshold,
        trail=read_trail(row.trail),
    )


def _trail_text(trail: Sequence[WeighedProbe]) -> str | None:
    """As a JSON list of [epoch ms, target, outcome, evidence]; None when it is empty."""
    rows = [[to_ms(w.at), storable(w.target), w.outcome.value, round(w.evidence, 3)] for w in trail]
    return json.dumps(rows) if rows else None


def read_trail(text: str | None) -> tuple[WeighedProbe, ...]:
    """The evidence trail of a transition's row."""
    rows = json.loads(text) if text else []
    return tuple(
        WeighedProbe(at=from_ms(at_ms), target=target, outcome=Outcome(outcome), evidence=evidence)
        for at_ms, target, outcome, evidence in rows
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


def beat_row(beat: ServiceBeat) -> ServiceRow:
    """The one row of the service's sign of life."""
    return ServiceRow(
        id=_SERVICE_ID,
        pid=beat.pid,
        host=storable(beat.host),
        version=beat.version,
        started_ms=to_ms(beat.started_at),
        beat_ms=to_ms(beat.beat_at),
        stopped_ms=maybe_to_ms(beat.stopped_at),
    )


def beat_of(row: ServiceRow) -> ServiceBeat:
    """The service's sign of life."""
    return ServiceBeat(
        pid=row.pid,
        host=row.host,
        version=row.version,
        started_at=from_ms(row.started_ms),
        beat_at=from_ms(row.beat_ms),
        stopped_at=maybe_from_ms(row.stopped_ms),
    )
