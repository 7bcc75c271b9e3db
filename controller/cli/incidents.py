"""`hotspare incidents`: lists them, shows one, adds notes and acknowledgements, and exports the report."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from controller.cli import incident_view, output
from controller.cli.arguments import add_config, add_json, incident_id, load_settings, login_name, past_duration
from controller.incidents import json_document, post_mortem, text
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident
from controller.incidents.queries import read_facts
from controller.incidents.store import LONGEST_NOTE, CommentRefusedError, CommentStore
from controller.journal import Journal
from controller.routing.operator_requests import RefusalKind, RefusedError, checked_author
from monitor.clock import utc_now
from monitor.formatting import format_elapsed, instant
from monitor.settings import Settings
from monitor.storage.database import DatabaseError, open_operator, open_reader
from probes.redaction import one_line

_MONTH_S = 30 * 86400.0
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
    try:
        return actions.get(args.action, _list)(settings, args, utc_now())
    except RefusedError as error:
        output.print_error(error)
        return output.refused_status(error)
    except DatabaseError as error:
        output.print_error(error)
        return output.WRONG


def _list(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    with _reader(settings) as engine:
        journal = Journal(engine)
        past = [] if args.open else journal.resolved_since(now - timedelta(seconds=args.since))
        incidents = [*journal.open_incidents(), *past]
    incidents.sort(key=lambda incident: (incident.opened_at, incident.id), reverse=True)
    if args.json:
        summaries = [json_document.incident_summary(incident, now) for incident in incidents]
        output.print_document({"at": instant(now), "incidents": summaries})
    else:
        nothing = "no incident is open" if args.open else f"no incident in {format_elapsed(args.since)}"
        incident_view.print_list(incidents, now, nothing)
    return output.BAD_NEWS if any(incident.resolved_at is None for incident in incidents) else output.OK


def _show(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    incident, route_periods = _read(settings, args.id, now)
    if args.json:
        output.print_document(json_document.incident_document(incident, route_periods, now))
    else:
        incident_view.print_incident(incident, route_periods, now)
    return output.OK if incident.resolved_at else output.BAD_NEWS


def _export(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    incident, route_periods = _read(settings, args.id, now)
    markdown = post_mortem.markdown(incident, route_periods, now=now)
    path: Path | None = args.output
    if path is not None:
        try:
            path.write_text(markdown, encoding="utf-8")
        except OSError as error:
            raise RefusedError(f"{path} cannot be written: {error.strerror or error}") from None
    if args.json:
        output.print_document({"id": args.id, "written_to": path and str(path), "markdown": markdown})
    else:
        written = f"{path}: {text.title(incident)}, {text.status(incident, now)}"
        output.print_lines([written if path else markdown.rstrip("\n")])
    return output.OK


def _comment(settings: Settings, args: argparse.Namespace, now: datetime) -> int:
    """Add a note or an acknowledgement."""
    if args.action == "note" and len(args.text) > LONGEST_NOTE:
        length = f"the note has {len(args.text):,} characters"
        raise RefusedError(f"{length}; at most {LONGEST_NOTE:,} can be shown to people")
    if args.action == "note" and not one_line(args.text, LONGEST_NOTE):
        raise RefusedError("the note is empty: say what people should know")
    author = checked_author(login_name() if args.author is None else args.author)
    _read(settings, args.id, now)  # raises for an unknown id
    engine = open_operator(settings.database)
    try:
        comments = CommentStore(engine)
        if args.action == "note":
            incident = comments.note(args.id, args.text, author=author, at=now)
        else:
            incident = comments.acknowledge(args.id, author=author, at=now)
    except CommentRefusedError as error:
        raise RefusedError(str(error), RefusalKind.UNSAFE) from None
    finally:
        engine.dispose()
    if args.json:
        output.print_document(json_document.incident_document(incident, (), now))
    else:
        last = max(incident.timeline, key=lambda entry: entry.number)
        output.print_lines([f"incident {args.id}, {text.title(incident)}: {text.entry_text(last)}"])
    return output.OK


@contextmanager
def _reader(settings: Settings) -> Iterator[Engine]:
    engine = open_reader(settings.database)
    try:
        yield engine
    finally:
        engine.dispose()


def _read(settings: Settings, incident_id: int, now: datetime) -> tuple[Incident, Sequence[RoutePeriod]]:
    """The incident with its facts as of now, and where routes pointed; raises RefusedError when there is none."""
    with _reader(settings) as engine:
        journal = Journal(engine)
        incident = journal.incident(incident_id)
        if incident is None:
            latest = ", ".join(str(known.id) for known in journal.incidents(8))
            hint = f"the latest are {latest}" if latest else "there has been none at all so far"
            raise RefusedError(f"there is no incident {incident_id}; {hint}")
        with engine.connect() as connection:
            return read_facts(connection, incident, now)
