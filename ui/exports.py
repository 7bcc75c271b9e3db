"""What a page shows, as CSV for a spreadsheet: instants in UTC, shares from 0 to 1, times in seconds. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from controller.history.availability import PERIODS
from controller.history.queries import History
from controller.incidents import text as words
from controller.incidents.incident import Incident
from controller.status.details.route import RouteDetail
from controller.status.details.target import TargetDetail
from controller.status.overview import Overview
from monitor.formatting import instant

Cell = str | float | None
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def targets(overview: Overview, past: History) -> str:
    """Every target: its health, its shares served, and how fast it is now."""
    periods = {each.target: each.periods for each in past.targets}
    heads = ["target", "health", "since", "reason", *(f"served {name}" for name in PERIODS)]
    rows = (
        [
            view.state.target,
            view.state.health,
            instant(view.state.since),
            view.state.reason,
            *(periods[view.state.target][name].served if view.state.target in periods else None for name in PERIODS),
            view.history.first_token_p50_s,
            view.history.p50_s,
            view.history.p95_s,
        ]
        for view in overview.targets
    )
    return _csv([*heads, "first token p50", "p50", "p95"], rows)


def decisions(detail: RouteDetail) -> str:
    """The decisions about a route, the newest first."""
    every = sorted((*detail.moves, *detail.would_have), key=lambda move: move.at, reverse=True)
    rows = ([instant(d.at), d.route, d.move, d.before, d.target, d.reason, "yes" if d.dry_run else "no"] for d in every)
    return _csv(["at", "route", "move", "from", "to", "reason", "dry run"], rows)


def course(detail: TargetDetail) -> str:
    """The parts of a target's time, oldest first."""
    heads = ["from", "target", "probes", "served", "p50", "p95", "first token p50", "first token p95", "ended"]
    rows = (
        [
            instant(at),
            detail.target,
            rollup.counts.asked,
            rollup.counts.served,
            *(h.quantile(q) for h in (rollup.duration, rollup.first_token) for q in (0.5, 0.95)),
            ", ".join(f"{count} {outcome}" for outcome, count in rollup.asked.items()),
        ]
        for at, rollup in detail.course
    )
    return _csv(heads, rows)


def incidents(every: Iterable[Incident]) -> str:
    """Incidents as they are listed."""
    rows = (
        [
            each.id,
            instant(each.opened_at),
            instant(each.resolved_at) if each.resolved_at else None,
            each.provider,
            each.kind,
            words.title(each),
            words.affected_summary(each),
        ]
        for each in every
    )
    return _csv(["incident", "opened", "resolved", "provider", "kind", "title", "affected"], rows)


def costs(rows: Sequence[Mapping[str, str | int]]) -> str:
    """The table of costs as it is shown."""
    return _csv(list(rows[0]), [list(row.values()) for row in rows])


def _csv(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return file.getvalue()


def _cell(value: Cell) -> str | float:
    """A number as it is; a text so that no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else str(value)
    return value
