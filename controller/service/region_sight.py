"""Whether a region reports what it probes, and sees enough to report: what people are told of it (pure)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitor.formatting import format_elapsed

SILENT_AFTER_S: Final = 30.0
"""A region gives a sign of life every five seconds, and another machine of it takes over within twenty."""
_BLIND_AFTER_S: Final = 60.0
SILENT: Final = "region_silent"
BLIND: Final = "region_blind"
WELL: Final = "region_reports_again"
REGION_KINDS: Final = (SILENT, BLIND, WELL)
"""The events about a region, whose name is their subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSight:
    """What is known of the machines of a region."""

    region: str
    silent_s: float
    """For how long none has reported, as far as it could have."""
    reporter: str
    """The one that did last; empty: none ever has."""
    blind_since: datetime | None = None
    """Since when that one's own network is lost; None while it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionEvent:
    """What people are told."""

    kind: str
    text: str


def region_events(seen: RegionSight, told: str | None, now: datetime) -> Iterator[RegionEvent]:
    """What is to be told of it; `told` is the kind of the last event about it, or None."""
    blind_s = (now - seen.blind_since).total_seconds() if seen.blind_since else 0.0
    if seen.silent_s >= SILENT_AFTER_S:
        if told != SILENT:
            last = f"{seen.reporter} was the last" if seen.reporter else "no machine of it ever has"
            yield RegionEvent(
                kind=SILENT,
                text=f"region {seen.region}: nothing for {format_elapsed(seen.silent_s)} ({last}); its targets become"
                " unknown, and its routes stay where they are. See that `hotspare run` runs there and reaches the"
                " database",
            )
    elif blind_s >= _BLIND_AFTER_S:
        if told != BLIND:
            yield RegionEvent(
                kind=BLIND,
                text=f"region {seen.region}: the network of {seen.reporter} has been lost for"
                f" {format_elapsed(blind_s)}; failures there are not counted, and its routes stay where they are",
            )
    elif told in {SILENT, BLIND} and not seen.blind_since:
        yield RegionEvent(kind=WELL, text=f"region {seen.region}: {seen.reporter} reports what it probes again")
