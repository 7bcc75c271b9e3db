"""What applications have reported of a target of late, for page and `status`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from monitor.formatting import format_percent, instant
from monitor.history.rollup import MINUTE, TEN_SECONDS, Rollup, span_start
from monitor.storage.traffic_store import TrafficStore
from monitor.traffic.request_counts import answered_of, failed_of
from probes.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """The requests of the last minute, and up to ten seconds before, as far as they say anything about the target."""

    since: datetime
    requests: int
    failed: int

    @property
    def failed_share(self) -> float:
        """From 0 to 1."""
        return self.failed / self.requests

    @property
    def sentence(self) -> str:
        """`your applications: 1,204 requests, 49.8 % failed in the last minute`."""
        failed = format_percent(self.failed_share)
        return f"your applications: {self.requests:,} requests, {failed} failed in the last minute"

    def document(self) -> dict[str, object]:
        """As `status --json` has it."""
        return {"since": instant(self.since), "requests": self.requests, "failed": self.failed}


def read_traffic(store: TrafficStore, targets: Iterable[str], now: datetime) -> Mapping[str, TrafficView]:
    """The views by target; those of which nothing was reported are left out."""
    since = span_start(now - MINUTE, TEN_SECONDS)
    sums: dict[str, Rollup] = {}
    for stored in store.sums(list(targets), TEN_SECONDS, since=since, until=now + MINUTE):
        sums[stored.key[0]] = sums.get(stored.key[0], Rollup()) + stored.sums
    views = {target: _view(rollup, since) for target, rollup in sums.items()}
    return {target: view for target, view in views.items() if view.requests}


def _view(rollup: Rollup, since: datetime) -> TrafficView:
    counts = {Outcome(name): count for name, count in rollup.asked.items()}
    failed = sum(failed_of(counts).values())
    return TrafficView(since=since, requests=answered_of(counts) + failed, failed=failed)
