"""Decisions as rows of the journal, and back."""

import json
from typing import Final

from sqlalchemy import RowMapping

from controller.routing.decision import Decision, Move
from monitor.storage.columns import brief, from_ms, storable, to_ms

_LONGEST_REASON: Final = 2_000


def decision_row(decision: Decision) -> dict[str, object]:
    """The row that keeps it; a reason is cut at 2,000 characters."""
    return {
        "route": storable(decision.route),
        "at_ms": to_ms(decision.at),
        "move": decision.move.value,
        "before": None if decision.before is None else storable(decision.before),
        "target": storable(decision.target),
        "reason": brief(decision.reason, _LONGEST_REASON),
        "generation": decision.generation,
        "weights": storable(json.dumps(dict(decision.weights), ensure_ascii=False)) if decision.weights else None,
        "dry_run": 1 if decision.dry_run else None,
    }


def decision_of(row: RowMapping) -> Decision:
    """The decision of a row of the table."""
    return Decision(
        route=row["route"],
        at=from_ms(row["at_ms"]),
        move=Move(row["move"]),
        before=row["before"],
        target=row["target"],
        reason=row["reason"],
        generation=row["generation"],
        weights=_weights(row["weights"]),
        dry_run=bool(row["dry_run"]),
    )


def _weights(text: str | None) -> tuple[tuple[str, float], ...]:
    return tuple((str(target), float(percent)) for target, percent in json.loads(text).items()) if text else ()
