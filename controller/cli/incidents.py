"""`hotspare incidents`: lists them, shows one, adds notes and acknowledgements, and exports the report."""

import argparse
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_config, add_json, author_of, incident_id, load_settings, past_duration
from controller.cli.layout import Column, TextTable, print_lines, wrap
from controller.incident_comments import acknowledge, add_note
from controller.incidents import json_document, post_mortem
from controller.incidents import text as words
from controller.incidents.failed_requests import sentences
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import EntryKind, Incident
from controller.journal import Journal
from controller.routing.operator_requests import RefusedError, checked_author
from controller.status.incident_view import read_incident, read_incidents_since
from monitor.config.settings import Settings
from monitor.formatting import clock, format_elapsed
from monitor.storage.database import open_reader, shared_now
from probes.redaction import one_line

_MONTH_S = 30 * 86400.0
_LONGEST = 2_000
_REPORT = b"# Incident "
_ENTRY_STYLES = {
    EntryKind.FIRST_FAILURE: "red",
    EntryKind.REOPENED: "bold red",
    EntryKind.MOVED: "cyan",
    EntryKind.HELD: "red",
    EntryKind.VENDOR: "magenta",
    EntryKind.NOTE: "yellow",
    EntryKind.ACKNOWLEDGED: "yellow",
    EntryKind.HAND: "yellow",
    EntryKind.RESOLVED: "green",
}
_ACTIONS = {
    "show": "all that is known of one: its story, the evidence, where applications were",
    "note": "add a line to its story, open or not",
    "ack": "say that you look after it",
    "export": "a report to paste into a ticket or a wiki",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `incidents`, and its actions with theirs."""
    add_config(parser)
    add_json(parser)
    help_text = "those that were open within this time, such as 12h or 7d (default: 30d)"
    parser.add_argument("--since", type=past_duration, default=_MONTH_S, metavar="DURATION", help=help_text)
    parser.add_argument("--open", action="store_true", help="only those that are open")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="about one of them")
    for name, meaning in _ACTIONS.items():
        action = actions.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        action.add_argument("id", type=incident_id, metavar="ID", help="its number, as the list shows it")
        # May stand on either side of the action; a default here would overrule what stands before it.
        action.add_argument("-c", "--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="as above")
        help_text = "one JSON document on standard output"
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=help_text)
        if name == "note":
            action.add_argument("text", metavar="TEXT", help="what people should know; everybody reads it")
        if name in {"note", "ack"}:
            action.add_argument("--author", help="who says so (default: the login name)")
        if name == "export":
            action.add_argument("--markdown", action="store_true", required=True, help="the form of the report")
            action.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")


def run(args: argparse.Namespace) -> int:
    """List incidents, or do what the action says; 2 when there is no such incident or no database.

    1 when a listed or shown incident is open, when a note does not fit any more, and when one that is resolved is
    acknowledged.
    """
    settings = load_settings(args.config, keys=False)
    actions = {"show": _show, "export": _export, "note": _comment, "ack": _comment}
    return actions.get(args.action, _list)(settings, args, shared_now(settings.database))


def _list(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    since = None if args.open else now - timedelta(seconds=args.since)
    incidents = read_incidents_since(open_reader(settings.database), since)
    nothing = "no incident is open" if args.open else f"no incident in {format_elapsed(args.since)}"
    output.print_answer(args, json_document.incident_list(incidents, now), _print_list, incidents, now, nothing)
    return output.BAD_NEWS if any(incident.resolved_at is None for incident in incidents) else output.OK


def _show(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    incident, route_periods = _read(settings, args.id, now)
    document = json_document.incident_document(incident, route_periods, now)
    output.print_answer(args, document, _print_incident, incident, route_periods, now)
    return output.OK if incident.resolved_at else output.BAD_NEWS


def _export(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    incident, route_periods = _read(settings, args.id, now)
    markdown = post_mortem.markdown(incident, route_periods, now=now)
    path: Path | None = args.output
    if path is not None:
        try:
            _refuse_other_file(path)
            path.write_text(markdown, encoding="utf-8")
        except OSError as error:
            raise RefusedError(f"{path} cannot be written: {error.strerror or error}") from None
    if args.json:
        output.print_document({"id": args.id, "written_to": path and str(path), "markdown": markdown})
    else:
        written = f"{path}: {words.title(incident)}, {words.status(incident, now)}"
        output.print_lines([written if path else markdown.rstrip("\n")])
    return output.OK


def _refuse_other_file(path: Path) -> None:
    """Raise RefusedError for a file that is no former report: it may be the database, or the configuration."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(_REPORT)) != _REPORT:
                raise RefusedError(f"{path} is there already, and is no report: name another file; it is as it was")


def _comment(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    """Add a note or an acknowledgement."""
    author = checked_author(author_of(args))
    _read(settings, args.id, now)  # raises for an unknown id
    if args.action == "note":
        incident = add_note(settings, args.id, args.text, author=author, at=now)
    else:
        incident = acknowledge(settings, args.id, author=author, at=now)
    if args.json:
        output.print_document(json_document.incident_document(incident, (), now))
    else:
        last = max(incident.timeline, key=lambda entry: entry.number)
        output.print_lines([f"incident {args.id}, {words.title(incident)}: {words.entry_text(last)}"])
    return output.OK


def _read(settings: Settings, incident_id: int, now: datetime) -> tuple[Incident, Sequence[RoutePeriod]]:
    """The incident with its facts as of now, and where routes pointed; raises RefusedError when there is none."""
    engine = open_reader(settings.database)
    view = read_incident(engine, incident_id, now)
    if view is None:
        latest = ", ".join(str(known.id) for known in Journal(engine).incidents(8))
        hint = f"the latest are {latest}" if latest else "there has been none at all so far"
        raise RefusedError(f"there is no incident {incident_id}; {hint}")
    return view.incident, view.periods


def _print_list(incidents: Sequence[Incident], now: datetime, nothing: str, console: Console) -> None:
    """Print a line for each; the text `nothing` where there is none."""
    if not incidents:
        console.print(Text(nothing, style="green"))
        return
    figures = (Column("id", is_figure=True), Column("opened"), Column("lasted", is_figure=True))
    table = TextTable([*figures, Column("what"), Column("who", is_prose=True)])
    for incident in incidents:
        is_open, opened_at = incident.resolved_at is None, incident.opened_at
        lasted = f"{format_elapsed(incident.lasted_s(now))}{', open' if is_open else ''}"
        lead = f" (with {incident.lead_id})" if incident.lead_id else ""
        table.add(
            str(incident.id),
            f"{opened_at:%H:%M:%S}" if opened_at.date() == now.date() else f"{opened_at:%b %d %H:%M}",
            Text(lasted, style="bold red" if is_open else ""),
            words.title(incident) + lead,
            words.affected_summary(incident),
        )
    table.print(console)


def _print_incident(incident: Incident, route_periods: Sequence[RoutePeriod], now: datetime, console: Console) -> None:
    """Print all that is known: affected targets, routes, timeline, evidence."""
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
            _indented(console, words.short_reason(affected), 4, style="dim")
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
        line = Text(" " * columns) + Text(one_line(text, _LONGEST), style=style)
        print_lines(console, wrap(line, console.width, indent=columns))


def _print_timeline(incident: Incident, now: datetime, console: Console) -> None:
    for entry in words.whole_timeline(incident):
        if isinstance(entry, str):
            console.print(Text(f"  {entry}"))
            continue
        at = f"{entry.at:%H:%M:%S}" if entry.at.date() == now.date() else f"{entry.at:%b %d %H:%M:%S}"
        text = one_line(words.entry_text(entry), _LONGEST)
        line = Text.assemble(f"  {at}  ", (text, _ENTRY_STYLES.get(entry.kind, "")))
        print_lines(console, wrap(line, console.width, indent=len(at) + 4) if console.is_terminal else [line])


def _facts(incident: Incident, now: datetime) -> Iterator[str]:
    resolved = f", resolved {clock(incident.resolved_at, now)}" if incident.resolved_at else ""
    yield f"opened {clock(incident.opened_at, now)}{resolved}"
    if incident.acknowledged_by:
        yield f"{incident.acknowledged_by} looks after it"
    if incident.lead_id:
        yield f"it began while incident {incident.lead_id} was open, and is reported under its headline"


def _figures(incident: Incident, route_periods: Sequence[RoutePeriod]) -> Iterator[str]:
    if incident.numbers:
        yield words.evidence(incident.numbers)
        for target in incident.numbers if len(incident.numbers) > 1 else ():
            yield f"{target.target}: {words.outcome_counts(target.outcomes)}"
    for route, seconds in incident.on_failing_s:
        where = words.route_history(period for period in route_periods if period.route == route)
        yield f"{words.time_on_failing(route, seconds)}; it was on {where}"
    yield from sentences(incident.failed_requests)
    yield from words.verdict_statistics(incident)
    if incident.request_ids:
        yield f"request ids of failed probes: {', '.join(incident.request_ids)}"
    if said := words.vendor_sentence(incident):
        yield said
