"""Prints incidents on a terminal: a list of them, and all that is known of one."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from controller.cli import output
from controller.incidents import text as words
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import EntryKind, Incident
from monitor.formatting import clock, format_elapsed
from probes.redaction import one_line

_LONGEST = 2_000
_ENTRY_STYLES = {
    EntryKind.FIRST_FAILURE: "red",
    EntryKind.REOPENED: "bold red",
    EntryKind.MOVED: "cyan",
    EntryKind.VENDOR: "magenta",
    EntryKind.NOTE: "yellow",
    EntryKind.ACKNOWLEDGED: "yellow",
    EntryKind.HAND: "yellow",
    EntryKind.RESOLVED: "green",
}


def print_list(incidents: Sequence[Incident], now: datetime, nothing: str) -> None:
    """Print a line for each on standard output; the text `nothing` where there is none."""
    console = output.terminal()
    if not incidents:
        console.print(Text(nothing, style="green"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("opened", no_wrap=True)
    table.add_column("lasted", justify="right", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("who", overflow="fold")
    for incident in incidents:
        is_open, opened_at = incident.resolved_at is None, incident.opened_at
        lasted = f"{format_elapsed(incident.lasted_s(now))}{', open' if is_open else ''}"
        lead = f" (with {incident.lead_id})" if incident.lead_id else ""
        table.add_row(
            str(incident.id),
            f"{opened_at:%H:%M:%S}" if opened_at.date() == now.date() else f"{opened_at:%b %d %H:%M}",
            Text(lasted, style="bold red" if is_open else ""),
            Text(words.title(incident) + lead),
            Text(words.affected_summary(incident)),
        )
    console.print(table)


def print_incident(
    incident: Incident, route_periods: Sequence[RoutePeriod], now: datetime, console: Console | None = None
) -> None:
    """Print all that is known, on standard output by default: affected targets, routes, timeline, evidence."""
    console = console or output.terminal()
    head = f"Incident {incident.id}: {words.title(incident)}, {words.status(incident, now)}"
    console.print(Text(head, style="bold green" if incident.resolved_at else "bold red"))
    for text in _facts(incident, now):
        console.print(Text(text))
    if incident.affected:
        console.print(Text("\nAffected", style="bold"))
    for affected in incident.affected:
        _indented(console, f"{affected.target} is {affected.health}, since {clock(affected.since, now)}", 2)
        why = affected.reason.removeprefix(f"{affected.target} is ")
        if not any(why in entry.text for entry in incident.timeline):
            _indented(console, affected.reason, 4, style="dim")
    if incident.routes:
        console.print(Text("\nUsers were on" if incident.resolved_at else "\nUsers are on", style="bold"))
    for route in incident.routes:
        _indented(console, words.route_users(route), 2)
    console.print(Text("\nTimeline (UTC)", style="bold"))
    _print_timeline(incident, now, console)
    figures = list(_figures(incident, route_periods))
    if figures:
        console.print(Text("\nEvidence and effect", style="bold"))
    for text in figures:
        _indented(console, text, 2)


def _indented(console: Console, text: str, columns: int, style: str = "") -> None:
    """Print text from outside as one indented paragraph."""
    if text:
        console.print(Padding(Text(one_line(text, _LONGEST), style=style), (0, 0, 0, columns), expand=False))


def _print_timeline(incident: Incident, now: datetime, console: Console) -> None:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for entry in incident.timeline:
        at = f"{entry.at:%H:%M:%S}" if entry.at.date() == now.date() else f"{entry.at:%b %d %H:%M:%S}"
        text = one_line(words.entry_text(entry), _LONGEST)
        if console.is_terminal:
            grid.add_row(f"  {at}", Text(text, style=_ENTRY_STYLES.get(entry.kind, "")))
        else:
            console.print(Text(f"  {at}  {text}"))
    console.print(grid, end="")


def _facts(incident: Incident, now: datetime) -> Iterator[str]:
    resolved = f", resolved {clock(incident.resolved_at, now)}" if incident.resolved_at else ""
    yield f"opened {clock(incident.opened_at, now)}{resolved}"
    if incident.acknowledged_by:
        yield f"{incident.acknowledged_by} looks after it"
    if incident.lead_id:
        yield f"it began while incident {incident.lead_id} was open, and is reported under its headline"


def _figures(incident: Incident, route_periods: Sequence[RoutePeriod]) -> Iterator[str]:
    numbers = incident.numbers
    if numbers:
        yield words.evidence(numbers)
        for target in numbers.targets if len(numbers.targets) > 1 else ():
            yield f"{target.target}: {words.outcome_counts(target.outcomes)}"
    for route, seconds in incident.on_failing_s:
        where = words.route_history(period for period in route_periods if period.route == route)
        yield f"{words.time_on_failing(route, seconds)}; it was on {where}"
    if incident.request_ids:
        yield f"request ids of failed probes: {', '.join(incident.request_ids)}"
    if said := words.vendor_sentence(incident):
        yield said
