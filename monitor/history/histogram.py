"""Histograms of durations in buckets that grow by a constant factor: any quantile is known within 5 %.

The buckets are those of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019): bucket i holds the durations from g^(i-1), exclusive, to g^i seconds, with
g = (1 + a) / (1 - a) and a = 5 %. The value 2 g^i / (g + 1) is within a of every duration in it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, log
from typing import Final, Self, TypeVar

K = TypeVar("K", int, str)
_ERROR: Final = 0.05
_GROWTH: Final = (1 + _ERROR) / (1 - _ERROR)
_LOG_GROWTH: Final = log(_GROWTH)
#: Shorter durations count as this, and longer ones as that: 300 buckets at most, whatever a clock says.
_SHORTEST_S: Final = 1e-6
_LONGEST_S: Final = 1e6
#: The text of a histogram of no durations.
_NOTHING: Final = "{}"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations lie in each bucket."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, durations_s: Iterable[float]) -> Self:
        """The histogram of these durations, in seconds."""
        return cls(count_each(map(_bucket, durations_s)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The histogram that `text` was written from; raises ValueError when it was not."""
        if text == _NOTHING:
            return cls()
        return cls({int(bucket): int(count) for bucket, count in json.loads(text).items()})

    def text(self) -> str:
        """The histogram as a JSON object: counts by bucket."""
        counts = ",".join([f'"{bucket}":{count}' for bucket, count in self.counts.items()])
        return f"{{{counts}}}"

    @property
    def total(self) -> int:
        """The number of durations."""
        return sum(self.counts.values())

    def quantile(self, share: float) -> float | None:
        """The duration that `share` of them do not exceed (nearest rank), within 5 %; None without durations."""
        rank = max(1, ceil(share * self.total))
        for bucket, count in sorted(self.counts.items()):
            rank -= count
            if rank <= 0:
                return float(2 * _GROWTH**bucket / (_GROWTH + 1))
        return None

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return type(self)(sum_counts(self.counts, other.counts))


EMPTY: Final = Histogram()
"""Without durations."""


def count_each(values: Iterable[K]) -> dict[K, int]:
    """How often each value comes; as `Counter` has it, which takes longer for the few of a batch."""
    counts: dict[K, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def sum_counts(some: Mapping[K, int], others: Mapping[K, int]) -> Mapping[K, int]:
    """The counts of both together; `Counter` takes four times as long, and this runs for every stored batch."""
    both = dict(some)
    for key, count in others.items():
        both[key] = both.get(key, 0) + count
    return both


def _bucket(duration_s: float) -> int:
    return ceil(log(min(max(duration_s, _SHORTEST_S), _LONGEST_S)) / _LOG_GROWTH)
