"""What one host reports of its requests to one target in about one second (pure)."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final

from monitor.history.histogram import EMPTY, Histogram
from probes.observation import hot_dataclass
from probes.outcome import Effect, Outcome

#: Answers of any kind: slow, wrong and throttled ones show as well that the target is not down.
_ANSWERED: Final = frozenset({Effect.UP, Effect.DEGRADED, Effect.THROTTLED})


def failed_of(outcomes: Mapping[Outcome, int]) -> dict[Outcome, int]:
    """The failures among counts by outcome that are evidence against a target: not the application's own faults."""
    return {outcome: count for outcome, count in outcomes.items() if outcome.effect is Effect.DOWN}


def answered_of(outcomes: Mapping[Outcome, int]) -> int:
    """How many of these requests were answered, in whatever way."""
    return sum(count for outcome, count in outcomes.items() if outcome.effect in _ANSWERED)


@hot_dataclass
class RequestCounts:
    """How the requests ended that ended in this time."""

    target: str
    host: str
    ended_at: datetime
    """The end of that time by the clock of this machine: no request of it ended later."""
    span_s: float
    """How long it was."""
    outcomes: Mapping[Outcome, int] = field(hash=False)
    duration: Histogram = field(default=EMPTY, hash=False)
    """Of the answers that users could use."""
    first_token: Histogram = field(default=EMPTY, hash=False)
    input_tokens: int = 0
    output_tokens: int = 0
    route: str = ""
    """The route that the application asked by; empty where it did not say."""
    tag: str = ""
    """The feature or class of user that it was for."""

    @property
    def began_at(self) -> datetime:
        """The beginning of that time."""
        return self.ended_at - timedelta(seconds=self.span_s)

    @property
    def failed(self) -> Mapping[Outcome, int]:
        """The failures that are evidence against the target."""
        return failed_of(self.outcomes)

    @property
    def answered(self) -> int:
        """How many requests were answered, in whatever way."""
        return answered_of(self.outcomes)
