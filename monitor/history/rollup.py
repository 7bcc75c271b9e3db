"""What all probes of an hour or a day came to: how they ended, how long the answers took, tokens and cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from monitor.history.histogram import EMPTY, Histogram, count_each, sum_counts
from probes.observation import Observation
from probes.outcome import ANSWERED, EXCLUDED, Outcome

TEN_SECONDS: Final = timedelta(seconds=10)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SPANS: Final = (HOUR, DAY)
_LARGEST: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCounts:
    """How many observations of a period ended how."""

    total: int = 0
    excluded: int = 0
    """Those that say nothing about the provider: failed here, our own fault (rate limit, key, …), or a refusal."""
    ok: int = 0
    answered: int = 0
    """Those that users could use: `ok` and `slow`."""
    failed_here: int = 0
    """Those that failed on this side: on this machine, or while our own network was down."""

    @property
    def availability(self) -> float | None:
        """The share of `ok` without what is our own fault, 0 to 1; None when nothing counts."""
        counted = self.total - self.excluded
        return self.ok / counted if counted else None

    @property
    def asked(self) -> int:
        """Those that the provider was asked."""
        return self.total - self.failed_here

    @property
    def refused(self) -> int:
        """Those that the provider refused: rate limit, key, quota, model, request, policy."""
        return self.excluded - self.failed_here

    @property
    def served(self) -> float | None:
        """The share of answers that users could use, 0 to 1; whose fault the others are does not matter."""
        return self.answered / self.asked if self.asked else None

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return type(self)(
            total=self.total + other.total,
            excluded=self.excluded + other.excluded,
            ok=self.ok + other.ok,
            answered=self.answered + other.answered,
            failed_here=self.failed_here + other.failed_here,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """The sum of some observations."""

    asked: Mapping[str, int] = field(default_factory=dict)
    """How many ended how, by outcome; without those that failed on this side."""
    failed_here: int = 0
    """Those that failed on this side: on this machine, or while our own network was down."""
    duration: Histogram = EMPTY
    """Of the answers that users could use (`ok` and `slow`)."""
    first_token: Histogram = EMPTY
    """Of those of them that were streams: the time to the first visible text."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    """What is known of the cost."""
    unpriced: int = 0
    """Observations whose cost is not known."""

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> Self:
        """The sum of these."""
        every = list(observations)
        asked = [o for o in every if not o.failed_here]
        answers = [o for o in asked if o.outcome in ANSWERED]
        return cls(
            asked=count_each(o.outcome.value for o in asked),
            failed_here=len(every) - len(asked),
            duration=Histogram.of(o.duration_s for o in answers),
            first_token=Histogram.of(o.first_token_s for o in answers if o.first_token_s is not None),
            input_tokens=_storable_sum(o.input_tokens for o in every),
            output_tokens=_storable_sum(o.output_tokens for o in every),
            cost_usd=sum(o.cost_usd or 0.0 for o in every),
            unpriced=sum(o.cost_usd is None for o in every),
        )

    @property
    def counts(self) -> OutcomeCounts:
        """How many ended how, as availability and *served* count them."""
        return counts_of(self.asked, self.failed_here)

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return type(self)(
            asked=sum_counts(self.asked, other.asked),
            failed_here=self.failed_here + other.failed_here,
            duration=self.duration + other.duration,
            first_token=self.first_token + other.first_token,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            unpriced=self.unpriced + other.unpriced,
        )


def counts_of(asked: Mapping[str, int], failed_here: int) -> OutcomeCounts:
    """The counts of so many asked, by outcome, and of those that failed on this side."""
    return OutcomeCounts(
        total=sum(asked.values()) + failed_here,
        excluded=sum(number for outcome, number in asked.items() if outcome in EXCLUDED) + failed_here,
        ok=asked.get(Outcome.OK, 0),
        answered=sum(number for outcome, number in asked.items() if outcome in ANSWERED),
        failed_here=failed_here,
    )


def span_start(at: datetime, span: timedelta) -> datetime:
    """The beginning of the hour or day (UTC) that `at` lies in."""
    return at - (at - _EPOCH) % span


def _storable_sum(tokens: Iterable[int | None]) -> int:
    """Without claims of a provider that no column holds."""
    return sum(number for number in tokens if number is not None and abs(number) <= _LARGEST)
