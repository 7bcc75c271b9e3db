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


def region_events(sight: RegionSight, last_kind: str | None, now: datetime) -> Iterator[RegionEvent]:
    """What is to be told of it; `last_kind` is the kind of the last event about it, or None."""
    blind_s = (now - sight.blind_since).total_seconds() if sight.blind_since else 0.0
    if sight.silent_s >= SILENT_AFTER_S:
        if last_kind != SILENT:
            last = f"{sight.reporter} was the last" if sight.reporter else "no machine of it ever has"
            yield RegionEvent(
                kind=SILENT,
                text=f"region {sight.region}: nothing for {format_elapsed(sight.silent_s)} ({last}); its targets become"
                " unknown, and its routes stay where they are. See that `hotspare run` runs there and reaches the"
                " database",
            )
    elif blind_s >= _BLIND_AFTER_S:
        if last_kind != BLIND:
            yield RegionEvent(
                kind=BLIND,
                text=f"region {sight.region}: the network of {sight.reporter} has been lost for"
                f" {format_elapsed(blind_s)}; failures there are not counted, and its routes stay where they are",
            )
    elif last_kind in {SILENT, BLIND} and not sight.blind_since:
        yield RegionEvent(kind=WELL, text=f"region {sight.region}: {sight.reporter} reports what it probes again")
