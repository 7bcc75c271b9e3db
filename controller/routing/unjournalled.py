"""Decisions that were made while the database could not be written, as lines of a file (pure).

A line is a checksum and a JSON object.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from controller.routing.decision import Decision, MoveKind
from monitor.config.settings import Settings
from monitor.storage.checked_line import from_line, to_line
from monitor.storage.column_conversions import from_ms, to_ms

FORMAT: Final = "hotspare.decision/1"
#: A reader of JSON, such as `jq`, knows whole numbers up to here.
LARGEST_GENERATION: Final = 2**53 - 1
_LONGEST_REASON: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnjournalledDecisions:
    """What such a file holds for this database and this configuration."""

    decisions: tuple[Decision, ...] = ()
    """In the order in which they were made."""
    foreign: int = 0
    """How many lines are of another database, or of a configuration with other routes."""
    damaged: int = 0
    """How many lines cannot be read."""


def encode(decision: Decision, lineage: int) -> bytes:
    """One line; `lineage` is the database's number."""
    values = {
        "format": FORMAT,
        "database": lineage,
        "route": decision.route,
        "target": decision.target,
        "at_ms": to_ms(decision.at),
        "reason": decision.reason[:_LONGEST_REASON],
        "move": decision.move.value,
        "before": decision.before,
        "generation": decision.generation,
        "weights": [list(share) for share in decision.weights],
        "dry_run": decision.dry_run,
    }
    return to_line(json.dumps(values, separators=(",", ":"), allow_nan=False).encode())


def decode(content: bytes, *, lineage: int, settings: Settings, now: datetime) -> UnjournalledDecisions:
    """The decisions of all lines that are whole and ours, none later than `now`. Never raises.

    `lineage` 0, or in a line, stands for any database: it could not be read then, or has no number.
    """
    decisions, foreign, damaged = [], 0, 0
    candidates = {route.name: frozenset(route.candidates) for route in settings.routes}
    for line in filter(None, content.split(b"\n")):
        read = read_line(line)
        if read is None:
            damaged += 1
            continue
        decision, database = read
        ours = not lineage or not database or database == lineage
        if ours and decision.target in candidates.get(decision.route, ()):
            decisions.append(replace(decision, at=min(decision.at, now)))
        else:
            foreign += 1
    return UnjournalledDecisions(decisions=tuple(decisions), foreign=foreign, damaged=damaged)


def read_line(line: bytes) -> tuple[Decision, int] | None:
    """The decision of a line, and the number of its database; None when the line is damaged."""
    text = from_line(line)
    if text is None:
        return None
    try:
        values: dict[str, Any] = json.loads(text)
        if values["format"] != FORMAT or not 0 < int(values["generation"]) <= LARGEST_GENERATION:
            return None
        decision = Decision(
            route=str(values["route"]),
            target=str(values["target"]),
            at=from_ms(int(values["at_ms"])),
            reason=str(values["reason"]),
            move=MoveKind(values["move"]),
            before=None if values["before"] is None else str(values["before"]),
            generation=int(values["generation"]),
            weights=tuple((str(target), float(percent)) for target, percent in values["weights"]),
            dry_run=bool(values["dry_run"]),
        )
        return decision, int(values["database"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
