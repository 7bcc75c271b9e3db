"""An incident as a report in Markdown, to be pasted into a ticket or a wiki (pure)."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from controller.incidents import text as incident_text
from controller.incidents.failed_requests import sentences
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import EntryKind, Incident, TargetNumbers, sum_numbers
from monitor.formatting import capitalized, format_elapsed, instant
from probes.redaction import one_line

_LONGEST = 2_000
#: Characters that Markdown gives a meaning anywhere in a line; an underscore within a word has none.
_ACTIVE = re.compile(r"([\\`*{}\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
#: A word that begins a heading, a list, a quotation or a rule where it begins a line.
_OPENING = re.compile(r"^(\d*)([#.)>=+-]+)$")
#: What pages that show Markdown make a link or a mention of: safe in code only.
_LIVE = re.compile(r"@|://|^www\.|#\d", re.IGNORECASE)
_LOOKALIKES = str.maketrans({"`": "ˋ", "|": "∣"})
_DONE = frozenset({EntryKind.MOVED, EntryKind.HAND, EntryKind.ACKNOWLEDGED})


def markdown(incident: Incident, periods: Sequence[RoutePeriod], *, now: datetime) -> str:
    """The report: summary, impact, timeline, evidence, what was done, what the vendor said, notes.

    Whatever a provider, a vendor or a person wrote is shown as text, never as markup, link or mention. Times are UTC.
    `incident` has its figures (`Journal.with_facts`), `periods` say where its routes pointed while it lasted.
    """
    parts = [
        f"# Incident {incident.id}: {escaped(incident_text.title(incident))}",
        *_summary(incident, now),
        "## Impact",
        *_impact(incident, periods),
        "## Timeline",
        _timeline(incident),
        "## Evidence",
        *_evidence(incident),
        "## What was done",
        _bullets(_done(incident)) or "No route was moved, and no operator intervened.",
        *_vendor(incident),
        *_notes(incident),
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Any text as one line of Markdown that shows it as it is; words that would become links stand in code."""
    first, *rest = one_line(text, _LONGEST).split(" ")
    opening = _OPENING.sub(r"\1\\\2", first) if _OPENING.match(first) else _word(first)
    return " ".join((opening, *map(_word, rest)))


def code(text: str) -> str:
    """A name or an id in code, wherever it stands; what would end the code or a cell gives way to a lookalike."""
    return "`" + one_line(text, _LONGEST).translate(_LOOKALIKES) + "`"


def _word(word: str) -> str:
    return code(word) if _LIVE.search(word) else _ACTIVE.sub(r"\\\1", word)


def _summary(incident: Incident, now: datetime) -> Iterable[str]:
    end = f"until {_clock(incident.resolved_at)} UTC" if incident.resolved_at else f"still open at {_clock(now)} UTC"
    opened = f"{incident.opened_at:%Y-%m-%d} {_clock(incident.opened_at)}"
    when = f"{opened} UTC, {end} ({incident_text.status(incident, now)})"
    yield f"**{capitalized(escaped(incident_text.title(incident)))}**, {escaped(when)}."
    facts = [escaped(reason) for reason in incident_text.reasons(incident.affected)]
    if incident.onset < incident.opened_at:
        before = format_elapsed((incident.opened_at - incident.onset).total_seconds())
        facts.append(f"The first {incident_text.first_failed(incident)} came in {before} before the verdict.")
    if incident.acknowledged_by:
        facts.append(f"{escaped(incident.acknowledged_by)} looks after it.")
    if incident.lead_id:
        facts.append(f"It began while incident {incident.lead_id} was open.")
    if facts:
        yield _bullets(facts)


def _impact(incident: Incident, periods: Sequence[RoutePeriod]) -> Iterable[str]:
    if not incident.routes:
        yield "No route was affected, so no application was."
        return
    failing = dict(incident.on_failing_s)
    rows = []
    for route in incident.routes:
        history = incident_text.route_history(period for period in periods if period.route == route.route)
        exposed = format_elapsed(failing[route.route]) if route.route in failing else "none"
        rows.append((code(route.route), exposed, escaped(history or route.target)))
    yield _table(("route", "time on a failing target", "where applications were sent"), rows)
    if incident.failed_requests:
        yield _bullets(escaped(text) for text in sentences(incident.failed_requests))
    unfinished = [
        incident_text.route_users(route)
        for route in incident.routes
        if route.stuck or route.unpublished or route.waiting
    ]
    if unfinished:
        yield _bullets(escaped(text) for text in unfinished)


def _timeline(incident: Incident) -> str:
    day = incident.onset.date()
    rows = [
        ("", entry)
        if isinstance(entry, str)
        else (_clock(entry.at, day=entry.at.date() != day), escaped(incident_text.entry_text(entry)))
        for entry in incident_text.whole_timeline(incident)
    ]
    return _table((f"UTC, {day}", "what happened"), rows)


def _evidence(incident: Incident) -> Iterable[str]:
    if not incident.numbers:
        yield "No probe of that time is stored."
    else:
        evidence = capitalized(incident_text.evidence(incident.numbers))
        yield f"{escaped(evidence)}, from the first failed probe to the end."
        yield _table(("target", "probes", "not ok", "how they ended"), map(_row_of_target, incident.numbers))
    if statistics := incident_text.verdict_statistics(incident):
        yield _bullets(map(escaped, statistics))
    if incident.request_ids:
        yield f"Request ids of failed probes, for the provider: {', '.join(map(code, incident.request_ids))}."


def _row_of_target(numbers: TargetNumbers) -> Sequence[str]:
    probes, failures = sum_numbers([numbers])
    ended = escaped(incident_text.outcome_counts(numbers.outcomes))
    return code(numbers.target), str(probes), str(failures.total()), ended


def _done(incident: Incident) -> Iterable[str]:
    for entry in incident.timeline:
        if entry.kind in _DONE:
            yield f"{_clock(entry.at)} {escaped(incident_text.entry_text(entry))}"


def _vendor(incident: Incident) -> Iterable[str]:
    sentence = incident_text.vendor_sentence(incident)
    if sentence:
        yield "## What the vendor said"
        yield escaped(sentence)


def _notes(incident: Incident) -> Iterable[str]:
    notes = [entry for entry in incident.timeline if entry.kind is EntryKind.NOTE]
    if notes:
        yield "## Notes"
        yield _bullets(f"**{escaped(note.author or '')}**, {instant(note.at)}: {escaped(note.text)}" for note in notes)


def _clock(at: datetime | None, *, day: bool = False) -> str:
    return "" if at is None else f"{at:%b %d %H:%M:%S}" if day else f"{at:%H:%M:%S}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
