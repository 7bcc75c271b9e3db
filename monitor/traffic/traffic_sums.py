"""Sums the counts that come in by ten seconds, target, route and tag, and prices their tokens (pure)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from monitor.history.rollup import TEN_SECONDS, Rollup, span_start
from monitor.traffic.request_counts import RequestCounts

TrafficKey = tuple[str, str, str]
"""Target, route, tag."""
Price = Callable[[str, int, int], float | None]
"""Dollars for these input and output tokens at a target; None where the price is not known."""
#: Different keys at a time; the rest goes to the tag `other`.
_MOST_KEYS: Final = 2_000


class TrafficSums:
    """What has come in since it was taken last. Not thread-safe."""

    def __init__(self, price: Price) -> None:
        self._price = price
        self._sums: dict[tuple[TrafficKey, datetime], Rollup] = {}

    def add(self, every: Iterable[RequestCounts]) -> None:
        """Add these counts."""
        for counts in every:
            key: TrafficKey = counts.target, counts.route, counts.tag
            place = key, span_start(counts.ended_at, TEN_SECONDS)
            if place not in self._sums and len(self._sums) >= _MOST_KEYS:
                place = (counts.target, "", "other"), place[1]
            self._sums[place] = self._sums.get(place, Rollup()) + self._rollup(counts)

    def take(self) -> Mapping[tuple[TrafficKey, datetime], Rollup]:
        """The sums by key and the beginning of ten seconds."""
        taken, self._sums = self._sums, {}
        return taken

    def _rollup(self, counts: RequestCounts) -> Rollup:
        tokens = counts.input_tokens, counts.output_tokens
        usd = self._price(counts.target, *tokens) if any(tokens) else None
        requests = sum(counts.outcomes.values())
        return Rollup(
            asked={outcome.value: count for outcome, count in counts.outcomes.items()},
            duration=counts.duration,
            first_token=counts.first_token,
            input_tokens=counts.input_tokens,
            output_tokens=counts.output_tokens,
            cost_usd=usd or 0.0,
            unpriced=requests if usd is None else 0,
        )
