"""What a machine that does not lead reports of its probes, as the text of a row and of a line in a file (pure)."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from monitor.storage.column_conversions import storable
from probes.observation import Observation, replaced

MOST_OBSERVATIONS: Final = 1_000
"""In one report."""
_LONGEST_PROBE_S: Final = 86_400.0
_OBSERVATION: Final = TypeAdapter(Observation)
_OBSERVATIONS: Final = TypeAdapter(list[Observation])
_INSTANT: Final = TypeAdapter[datetime | None](AwareDatetime | None)
_TEXTS: Final = [field.name for field in fields(Observation) if field.type in {str, str | None}]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedEvent:
    """Something that people must be told, as the events of the service itself: a key that is refused."""

    at: AwareDatetime
    kind: str
    subject: str
    text: str


_EVENTS: Final = TypeAdapter(list[ReportedEvent])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """Observations of one region, in the order in which they became known, and events."""

    observations: tuple[Observation, ...] = ()
    events: tuple[ReportedEvent, ...] = ()
    blind_since: datetime | None = None
    """Since when the network of the machine that probed has been lost; None while it works."""
    damaged: int = 0
    """How many observations, or lists of events, could not be read."""


def encode(report: ProbeReport) -> str:
    """The report as one line of JSON."""
    observations = list(report.observations)
    try:
        text = _OBSERVATIONS.dump_json(observations, exclude_defaults=True)
    except PydanticSerializationError:  # lone surrogates, which come from providers
        text = _OBSERVATIONS.dump_json([_cleaned(each) for each in observations], exclude_defaults=True)
    blind = "" if report.blind_since is None else f'"blind_since":"{report.blind_since.isoformat()}",'
    told = (
        f'"events":{_EVENTS.dump_json([_storable(each) for each in report.events]).decode()},' if report.events else ""
    )
    return f'{{{blind}{told}"observations":{text.decode()}}}'


def decode(text: str) -> ProbeReport:
    """The report of such a text. Never raises.

    What cannot be read is counted, and what only a later version knows is ignored.
    """
    try:
        values = from_json(text)
        items, blind_since = list(values["observations"]), _INSTANT.validate_python(values.get("blind_since"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ProbeReport(damaged=1)
    read = [observation for item in items for observation in _read(item)]
    damaged, events = len(items) - len(read), tuple[ReportedEvent, ...]()
    try:
        events = tuple(_EVENTS.validate_python(values.get("events", [])))
    except ValidationError:
        damaged += 1
    return ProbeReport(observations=tuple(read), events=events, blind_since=blind_since, damaged=damaged)


def _read(item: Any) -> Iterator[Observation]:
    """The observation of a JSON value; nothing where it is none."""
    try:
        read = _OBSERVATION.validate_python(item)
        # To the millisecond, as it is stored: whoever goes on from the row goes on from the same.
        at = read.started_at.astimezone(UTC)
    except (ValidationError, OverflowError):
        return
    if read.started_at.tzinfo is not None and 0 <= read.duration_s <= _LONGEST_PROBE_S:
        yield replaced(read, started_at=at.replace(microsecond=at.microsecond // 1000 * 1000))


def _cleaned(observation: Observation) -> Observation:
    texts = {name: getattr(observation, name) for name in _TEXTS}
    return replaced(observation, **{name: storable(text) for name, text in texts.items() if text})


def _storable(event: ReportedEvent) -> ReportedEvent:
    return replace(event, kind=storable(event.kind), subject=storable(event.subject), text=storable(event.text))
