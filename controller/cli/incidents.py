"""`hotspare incidents`: lists them, shows one, keeps what people say of it, and writes the report."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from controller.cli import incident_view, output
from controller.cli.arguments import add_config, add_json, incident_id, load_settings, login_name, past_duration
from controller.incidents import json_document
from controller.incidents import post_mortem as report
from controller.incidents import text as words
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident
from controller.incidents.queries import read_facts
from controller.incidents.store import LONGEST_NOTE, CommentRefusedError, CommentStore
from controller.journal import Journal
from controller.routing.operator_requests import RefusalKind, RefusedError, checked_author
from monitor.clock import utc_now
from monitor.formatting import instant, span
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One incident with everything that is known of it."""

    incident: Incident
    route_periods: tuple[RoutePeriod, ...]
    now: datetime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `incidents`, and its actions with theirs."""
    add_config(parser)
    add_json(parser)
    text = "those that were open within this time, such as 12h or 7d (default: 30d)"
    parser.add_argument("--since", type=past_duration, default=_MONTH_S, metavar="DURATION", help=text)
    parser.add_argument("--open", action="store_true", help="only those that are open")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="about one of them")
    for name, meaning in _ACTIONS.items():
        action = actions.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        action.add_argument("id", type=incident_id, metavar="ID", help="its number, as the list shows it")
        # May stand on either side of the action; a default here would overrule what stands before it.
        action.add_argument("-c", "--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="as above")
        text = "one JSON document on standard output"
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=text)
        if name == "note":
            action.add_argument("text", metavar="TEXT", help="what people should know; everybody reads it")
        if name in {"note", "ack"}:
            action.add_argument("--author", help="who says so (default: the login name)")
        if name == "export":
            action.add_argument("--markdown", action="store_true", required=True, help="the form of the report")
            action.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")


def run(args: argparse.Namespace) -> int:
    """List incidents, or do what the action says; 2 when there is no such incident or no database."""
    settings = load_settings(args.config, keys=False)
    if args.action == "show":
        return show(settings, args.id, as_json=args.json)
    if args.action == "note":
        return note(settings, args.id, args.text, author=args.author, as_json=args.json)
    if args.action == "ack":
        return acknowledge(settings, args.id, author=args.author, as_json=args.json)
    if args.action == "export":
        return export(settings, args.id, to=args.output, as_json=args.json)
    return listing(settings, since_s=args.since, only_open=args.open, as_json=args.json)


def listing(settings: Settings, *, since_s: float, only_open: bool, as_json: bool) -> int:
    """Print the incidents that were open within that time, the newest first; 1 when one is open, 2 without database."""

    def work() -> int:
        now = utc_now()
        with _reader(settings) as engine:
            journal = Journal(engine)
            past = [] if only_open else journal.resolved_since(now - timedelta(seconds=since_s))
            found = sorted([*journal.open_incidents(), *past], key=lambda one: (one.opened_at, one.id), reverse=True)
        if as_json:
            output.print_document(
                {"at": instant(now), "incidents": [json_document.incident_summary(one, now) for one in found]}
            )
        else:
            incident_view.print_list(
                found, now, "no incident is open" if only_open else f"no incident in {span(since_s)}"
            )
        return output.BAD_NEWS if any(one.resolved_at is None for one in found) else output.OK

    return _answering(work)


def show(settings: Settings, incident_id: int, *, as_json: bool) -> int:
    """Print all that is known of one; 1 while it is open, 2 when there is none of this id."""

    def work() -> int:
        shown = _read(settings, incident_id)
        if as_json:
            output.print_document(json_document.incident_document(shown.incident, shown.route_periods, shown.now))
        else:
            incident_view.print_incident(shown.incident, shown.route_periods, shown.now)
        return output.OK if shown.incident.resolved_at else output.BAD_NEWS

    return _answering(work)


def export(settings: Settings, incident_id: int, *, to: Path | None, as_json: bool) -> int:
    """Write the report in Markdown to a file, or to standard output; 2 when there is no incident of this id."""

    def work() -> int:
        shown = _read(settings, incident_id)
        text = report.markdown(shown.incident, shown.route_periods, now=shown.now)
        if to is not None:
            try:
                to.write_text(text, encoding="utf-8")
            except OSError as error:
                raise RefusedError(f"{to} cannot be written: {error.strerror or error}") from None
        if as_json:
            output.print_document({"id": incident_id, "written_to": to and str(to), "markdown": text})
        else:
            done = f"{to}: {words.title(shown.incident)}, {words.status(shown.incident, shown.now)}"
            output.print_lines([done if to else text.rstrip("\n")])
        return output.OK

    return _answering(work)


def note(settings: Settings, incident_id: int, text: str, *, author: str | None, as_json: bool) -> int:
    """Add a line to the timeline; 1 when there are too many, 2 when there is no such incident, or the line is none."""

    def work() -> int:
        if len(text) > LONGEST_NOTE:
            said = f"the note has {len(text):,} characters"
            raise RefusedError(f"{said}; at most {LONGEST_NOTE:,} can be shown to people")
        if not one_line(text, LONGEST_NOTE):
            raise RefusedError("the note is empty: say what people should know")
        return _say(settings, incident_id, author, add, as_json=as_json)

    def add(remarks: CommentStore, who: str, at: datetime) -> Incident:
        return remarks.note(incident_id, text, author=who, at=at)

    return _answering(work)


def acknowledge(settings: Settings, incident_id: int, *, author: str | None, as_json: bool) -> int:
    """Say that somebody looks after an open incident; 1 when it is resolved, 2 when there is no such incident."""

    def add(remarks: CommentStore, who: str, at: datetime) -> Incident:
        return remarks.acknowledge(incident_id, author=who, at=at)

    return _answering(lambda: _say(settings, incident_id, author, add, as_json=as_json))


def _say(
    settings: Settings,
    incident_id: int,
    author: str | None,
    add: Callable[[CommentStore, str, datetime], Incident],
    *,
    as_json: bool,
) -> int:
    who, now = checked_author(login_name() if author is None else author), utc_now()
    _read(settings, incident_id)  # raises for an id that nobody knows
    engine = open_operator(settings.database)
    try:
        changed = add(CommentStore(engine), who, now)
    except CommentRefusedError as error:
        raise RefusedError(str(error), RefusalKind.UNSAFE) from None
    finally:
        engine.dispose()
    if as_json:
        output.print_document(json_document.incident_document(changed, (), now))
    else:
        last = max(changed.timeline, key=lambda one: one.number)
        output.print_lines([f"incident {incident_id}, {words.title(changed)}: {words.entry_text(last)}"])
    return output.OK


def _answering(work: Callable[[], int]) -> int:
    try:
        return work()
    except RefusedError as error:
        output.complain(error)
        return output.refused_status(error)
    except DatabaseError as error:
        output.complain(error)
        return output.WRONG


@contextmanager
def _reader(settings: Settings) -> Iterator[Engine]:
    engine = open_reader(settings.database)
    try:
        yield engine
    finally:
        engine.dispose()


def _read(settings: Settings, incident_id: int) -> _Shown:
    """The incident and its facts as of now; raises RefusedError when there is none."""
    now = utc_now()
    with _reader(settings) as engine:
        journal = Journal(engine)
        found = journal.incident(incident_id)
        if found is None:
            raise RefusedError(f"there is no incident {incident_id}; {_known(journal.incidents(8))}")
        with engine.connect() as connection:
            facts = read_facts(connection, found, now)
    return _Shown(incident=facts.added_to(found), route_periods=facts.route_periods, now=now)


def _known(latest: Sequence[Incident]) -> str:
    if not latest:
        return "there has been none at all so far"
    return f"the latest are {', '.join(str(one.id) for one in latest)}"
