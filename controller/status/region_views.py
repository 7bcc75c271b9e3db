"""When each region last reported what it probes (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.formatting import format_elapsed
from monitor.storage.probe_report_store import ReportedRegion

#: A region gives a sign of life every five seconds.
_SILENT_AFTER_S = 30.0
#: The leader takes reports four times a second.
_USUAL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionView:
    """A region of the configuration."""

    region: str
    reporter: str = ""
    """The machine that reported last; empty: none ever has."""
    silent_s: float | None = None
    """For how long none has, by the database's time; None: none ever has."""
    waiting: int = 0
    """Reports that nobody has taken yet."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing is known of it."""
        return self.silent_s is None or self.silent_s >= _SILENT_AFTER_S

    @property
    def is_well(self) -> bool:
        """Whether it reports, and is heard."""
        return not self.is_silent and self.waiting <= _USUAL

    @property
    def sentence(self) -> str:
        """`us: nothing for 40 s`, without a full stop."""
        if self.silent_s is None:
            return f"{self.region}: nothing yet"
        if self.is_silent:
            return f"{self.region}: nothing for {format_elapsed(self.silent_s)} (the last was {self.reporter})"
        waiting = "" if self.is_well else f", {self.waiting} reports wait"
        return f"{self.region}: {self.reporter}, {format_elapsed(self.silent_s)} ago{waiting}"


def region_views(regions: Sequence[str], reported: Iterable[ReportedRegion]) -> tuple[RegionView, ...]:
    """Those of the configuration, in its order."""
    known = {each.region: each for each in reported}
    return tuple(
        RegionView(
            region=name,
            reporter=known[name].reporter,
            silent_s=known[name].silent_s,
            waiting=known[name].waiting,
        )
        if name in known
        else RegionView(region=name)
        for name in regions
    )
