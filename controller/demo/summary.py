"""What a drill has shown, in numbers, and whether that is what was promised."""

from dataclasses import dataclass
from typing import Any

from controller.demo.traffic import DrillPhase, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedShare:
    """Shares of failed requests between 0 and 1; None where nothing was asked."""

    quiet: float | None
    """Of the application, before the outage."""
    outage: float | None
    """Of the application, while the first provider failed."""
    outage_without_failover: float | None
    """Of the twin, in the same time."""
    after: float | None
    """Of the application, since the provider has recovered."""


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
    """Incidents whose last word Slack does not show."""
    failed_share: FailedShare

    @property
    def problems(self) -> tuple[str, ...]:
        """What did not happen that had to, one sentence each; empty after a good drill."""
        wrong = {
            "the route did not leave the failing provider": self.time_to_flip_s is None,
            "the route did not come back to its first candidate": self.time_to_return_s is None,
            "Slack was told nothing": self.slack_delivered == 0,
            f"{self.slack_undelivered} of the Slack messages could not be delivered": self.slack_undelivered > 0,
        }
        return tuple(sentence for sentence, applies in wrong.items() if applies)

    def document(self) -> dict[str, Any]:
        """The summary of design 6.3, ready for JSON; seconds to the hundredth, shares to four digits."""
        share = self.failed_share
        return {
            "probe_interval_s": self.probe_interval_s,
            "time_to_flip_s": _rounded(self.time_to_flip_s, 2),
            "time_to_return_s": _rounded(self.time_to_return_s, 2),
            "slack_delivered": self.slack_delivered,
            "slack_undelivered": self.slack_undelivered,
            "failed_share": {
                "quiet": _rounded(share.quiet, 4),
                "outage": _rounded(share.outage, 4),
                "outage_without_failover": _rounded(share.outage_without_failover, 4),
                "after": _rounded(share.after, 4),
            },
        }


def failed_share(traffic: Traffic) -> FailedShare:
    """What has been counted so far."""
    application, twin = traffic.application.tallies, traffic.twin.tallies
    return FailedShare(
        quiet=application[DrillPhase.QUIET].failed_share,
        outage=application[DrillPhase.OUTAGE].failed_share,
        outage_without_failover=twin[DrillPhase.OUTAGE].failed_share,
        after=application[DrillPhase.AFTER].failed_share,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
