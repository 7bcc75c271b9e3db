"""An incident as a report in Markdown, worth pasting into a ticket or a wiki (pure)."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from controller.incidents import text as words
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import EntryKind, Incident
from monitor.formatting import instant, span
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


def markdown(incident: Incident, stays: Sequence[RoutePeriod], *, now: datetime) -> str:
    """The whole report: summary, impact, timeline, evidence, what was done, the vendor's word, notes.

    Whatever a provider, a vendor or a person wrote is shown as text: no markup, link or mention comes of it. Times are
    UTC. `incident` has its figures (`Journal.with_facts`), `stays` are where its routes pointed while it lasted.
    """
    parts = [
        f"# Incident {incident.id}: {escaped(words.title(incident))}",
        *_summary(incident, now),
        "## Impact",
        *_impact(incident, stays),
        "## Timeline",
        _timeline(incident),
        "## Evidence",
        *_evidence(incident),
        "## What was done",
        _bullets(_done(incident)) or "Nothing had to be moved, and nobody stepped in.",
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
    when = f"{opened} UTC, {end} ({words.status(incident, now)})"
    yield f"**{_capital(escaped(words.title(incident)))}**, {escaped(when)}."
    facts = [escaped(reason) for reason in words.reasons(incident.affected)]
    if incident.onset < incident.opened_at:
        before_s = (incident.opened_at - incident.onset).total_seconds()
        facts.append(f"The first failed probe came in {span(before_s)} before the verdict.")
    if incident.acknowledged_by:
        facts.append(f"{escaped(incident.acknowledged_by)} looks after it.")
    if incident.lead_id:
        facts.append(f"It began while incident {incident.lead_id} was open.")
    if facts:
        yield _bullets(facts)


def _impact(incident: Incident, stays: Sequence[RoutePeriod]) -> Iterable[str]:
    if not incident.routes:
        yield "No route was touched: no application noticed."
        return
    failing = dict(incident.on_failing_s)
    rows = []
    for route in incident.routes:
        where = words.route_history(one for one in stays if one.route == route.route)
        exposed = span(failing[route.route]) if route.route in failing else "none"
        rows.append((code(route.route), exposed, escaped(where or route.target)))
    yield _table(("route", "time on a failing target", "where applications were sent"), rows)
    open_ones = [
        words.route_users(route) for route in incident.routes if route.stuck or route.unpublished or route.waiting
    ]
    if open_ones:
        yield _bullets(escaped(one) for one in open_ones)


def _timeline(incident: Incident) -> str:
    day = incident.onset.date()
    rows = [(_clock(line.at, day=line.at.date() != day), escaped(words.entry_text(line))) for line in incident.timeline]
    return _table((f"UTC, {day}", "what happened"), rows)


def _evidence(incident: Incident) -> Iterable[str]:
    if incident.numbers is None:
        yield "No probe of that time is stored."
    else:
        yield f"{escaped(_capital(words.evidence(incident.numbers)))}, from the first failed probe to the end."
        rows = [
            (code(one.target), str(one.probes), str(one.failures), escaped(words.outcome_counts(one.outcomes)))
            for one in incident.numbers.targets
        ]
        yield _table(("target", "probes", "not ok", "how they ended"), rows)
    if incident.request_ids:
        yield f"Request ids of failed probes, for the provider: {', '.join(map(code, incident.request_ids))}."


def _done(incident: Incident) -> list[str]:
    return [f"{_clock(one.at)} {escaped(words.entry_text(one))}" for one in incident.timeline if one.kind in _DONE]


def _vendor(incident: Incident) -> Iterable[str]:
    sentence = words.vendor_sentence(incident)
    if sentence:
        yield "## The vendor's word"
        yield escaped(sentence)


def _notes(incident: Incident) -> Iterable[str]:
    notes = [line for line in incident.timeline if line.kind is EntryKind.NOTE]
    if notes:
        yield "## Notes"
        yield _bullets(f"**{escaped(one.author or '')}**, {instant(one.at)}: {escaped(one.text)}" for one in notes)


def _clock(at: datetime | None, *, day: bool = False) -> str:
    return "" if at is None else f"{at:%b %d %H:%M:%S}" if day else f"{at:%H:%M:%S}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
