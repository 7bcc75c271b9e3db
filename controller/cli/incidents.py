"""`hotspare incidents`: lists them, shows one, keeps what people say of it, and writes the report."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from controller.cli import incident_view
from controller.cli import output as answers
from controller.cli.operate import login_name
from controller.incidents import json_document as incident_document
from controller.incidents import post_mortem as report
from controller.incidents import text as words
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident
from controller.incidents.queries import read_facts
from controller.incidents.remarks import LONGEST_NOTE, CommentRefusedError, CommentStore
from controller.journal import Journal
from controller.routing.operator_requests import RefusalKind, RefusedError, checked_author
from monitor.clock import utc_now
from monitor.formatting import instant, span
from monitor.settings import Settings
from monitor.storage.database import DatabaseError, open_operator, open_reader
from probes.redaction import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One incident with everything that is known of it."""

    incident: Incident
    stays: tuple[RoutePeriod, ...]
    now: datetime


def listing(settings: Settings, *, since_s: float, only_open: bool, as_json: bool) -> int:
    """Print the incidents that were open within that time, the newest first; 1 when one is open, 2 without database."""

    def work() -> int:
        now = utc_now()
        with _reader(settings) as engine:
            journal = Journal(engine)
            past = [] if only_open else journal.resolved_since(now - timedelta(seconds=since_s))
            found = sorted([*journal.open_incidents(), *past], key=lambda one: (one.opened_at, one.id), reverse=True)
        if as_json:
            answers.print_document(
                {"at": instant(now), "incidents": [incident_document.brief(one, now) for one in found]}
            )
        else:
            incident_view.print_list(
                found, now, "no incident is open" if only_open else f"no incident in {span(since_s)}"
            )
        return answers.BAD_NEWS if any(one.resolved_at is None for one in found) else answers.OK

    return _answering(work)


def show(settings: Settings, incident_id: int, *, as_json: bool) -> int:
    """Print all that is known of one; 1 while it is open, 2 when there is none of this id."""

    def work() -> int:
        shown = _read(settings, incident_id)
        if as_json:
            answers.print_document(incident_document.document(shown.incident, shown.stays, shown.now))
        else:
            incident_view.print_incident(shown.incident, shown.stays, shown.now)
        return answers.OK if shown.incident.resolved_at else answers.BAD_NEWS

    return _answering(work)


def export(settings: Settings, incident_id: int, *, to: Path | None, as_json: bool) -> int:
    """Write the report in Markdown to a file, or to standard output; 2 when there is no incident of this id."""

    def work() -> int:
        shown = _read(settings, incident_id)
        text = report.markdown(shown.incident, shown.stays, now=shown.now)
        if to is not None:
            try:
                to.write_text(text, encoding="utf-8")
            except OSError as error:
                raise RefusedError(f"{to} cannot be written: {error.strerror or error}") from None
        if as_json:
            answers.print_document({"id": incident_id, "written_to": to and str(to), "markdown": text})
        else:
            done = f"{to}: {words.title(shown.incident)}, {words.state(shown.incident, shown.now)}"
            answers.print_lines([done if to else text.rstrip("\n")])
        return answers.OK

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
        answers.print_document(incident_document.document(changed, (), now))
    else:
        last = max(changed.timeline, key=lambda one: one.number)
        answers.print_lines([f"incident {incident_id}, {words.title(changed)}: {words.line(last)}"])
    return answers.OK


def _answering(work: Callable[[], int]) -> int:
    try:
        return work()
    except RefusedError as error:
        answers.complain(error)
        return answers.refused_status(error)
    except DatabaseError as error:
        answers.complain(error)
        return answers.WRONG


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
    return _Shown(incident=facts.of(found), stays=facts.stays, now=now)


def _known(latest: Sequence[Incident]) -> str:
    if not latest:
        return "there has been none at all so far"
    return f"the latest are {', '.join(str(one.id) for one in latest)}"
