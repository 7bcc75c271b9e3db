"""The result of a drill in numbers, and whether it passed."""

from dataclasses import asdict, dataclass
from typing import Any

from controller.demo.traffic import DrillPhase, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedShare:
    """Shares of failed requests, 0 to 1: of the application by phase, and of the baseline; None without requests."""

    quiet: float | None
    outage: float | None
    outage_without_failover: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One drill."""

    probe_interval_s: float
    time_to_flip_s: float | None
    """From the beginning of the outage until the routing file showed another provider; None when it never did."""
    time_to_return_s: float | None
    """From the end of the outage until the routing file showed the first candidate again; None when it never did."""
    slack_delivered: int
    """Messages, replies and edits that the Slack server accepted."""
    slack_undelivered: int
    """Incidents whose latest revision Slack does not show."""
    failed_share: FailedShare

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong, one sentence each; empty when the drill passed."""
        wrong = {
            "the route did not leave the failing provider": self.time_to_flip_s is None,
            "the route did not come back to its first candidate": self.time_to_return_s is None,
            "Slack was told nothing": self.slack_delivered == 0,
            f"{self.slack_undelivered} of the Slack messages could not be delivered": self.slack_undelivered > 0,
        }
        return tuple(sentence for sentence, applies in wrong.items() if applies)

    def document(self) -> dict[str, Any]:
        """Return the summary for JSON; seconds to the hundredth, shares to four digits."""
        values = asdict(self)
        shares = {name: _rounded(share, 4) for name, share in values.pop("failed_share").items()}
        return {name: _rounded(value, 2) for name, value in values.items()} | {"failed_share": shares}


def failed_share(traffic: Traffic) -> FailedShare:
    """Return the shares of what has been counted so far."""
    application, baseline = traffic.application.counts, traffic.baseline.counts
    return FailedShare(
        quiet=application[DrillPhase.QUIET].failed_share,
        outage=application[DrillPhase.OUTAGE].failed_share,
        outage_without_failover=baseline[DrillPhase.OUTAGE].failed_share,
        after=application[DrillPhase.AFTER].failed_share,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
