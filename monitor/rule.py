"""What the detector must know of the configuration to judge one target."""

from dataclasses import dataclass

from monitor.settings import Blips, Controller, Settings
from monitor.threshold import Loop, threshold
from probes.target import Target

#: After a failure, this many probes at the most follow a quarter of the interval apart.
BURST = 12
QUICK_SHARE = 1 / 4
RECOVERING_SHARE = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One target's share of the configuration. Durations in seconds."""

    target: str
    model: str
    key_env: str | None
    p1: float
    """The failure rate to detect."""
    false_per_day: float
    min_outage_s: float
    hold_s: float
    interval_s: float
    longest_probe_s: float
    blips: Blips

    @property
    def quick_s(self) -> float:
        """Between the probes of a burst."""
        return self.interval_s * QUICK_SHARE

    @property
    def patience_s(self) -> float:
        """How long after its last observation a target is still known."""
        return 3 * self.interval_s + self.longest_probe_s

    def threshold(self, p0: float) -> float:
        """The evidence that makes a verdict, for a background of `p0`."""
        loop = Loop(
            p0=p0,
            p1=self.p1,
            interval_s=self.interval_s,
            quick_s=self.quick_s,
            burst=BURST,
            min_outage_s=self.min_outage_s,
            blips=self.blips,
        )
        return threshold(loop, per_day=self.false_per_day)


def rule_for(target: Target, controller: Controller) -> Rule:
    """The rule for one target."""
    return Rule(
        target=target.id,
        model=target.model,
        key_env=target.provider.api_key_env,
        p1=controller.detect,
        false_per_day=controller.false_failovers_per_day,
        min_outage_s=controller.min_outage_s,
        hold_s=controller.failback.hold_s,
        interval_s=target.interval_s,
        longest_probe_s=target.timeouts.total_s,
        blips=controller.blips,
    )


def rules_for(settings: Settings) -> dict[str, Rule]:
    """Every target's rule, by target id."""
    return {target.id: rule_for(target, settings.controller) for target in settings.targets}
