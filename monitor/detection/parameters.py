"""What the detector must know of the configuration to judge one target, and one provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.detection import latency
from monitor.detection.threshold import AlarmModel, threshold
from monitor.settings import Blips, ControllerSettings, Settings
from probes.target import Check, Target

#: An excursion has at most so many quick probes; they end earlier, so many good ones after the last failure.
BURST = 60
PATIENCE = 20
#: Quick probes are never closer than this share of the interval.
QUICK_SHARE = 1 / 4
RECOVERING_SHARE = 1 / 3
#: After a failure, long enough that most blips are over; after a good answer, soon.
_FAILED_S = 5.0
_PASSED_S = 1.0
#: Closer together than this they would say the same thing twice.
_LEAST_S = 0.5
#: The same where the next probe goes to another target of the provider.
_ELSEWHERE_FAILED_S = 4.0
_ELSEWHERE_PASSED_S = 0.5
#: Where a provider's targets are probed closer together than this, failures within it are one piece of evidence.
_SAME_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetParameters:
    """One target's share of the configuration. Durations in seconds."""

    target: str
    model: str
    key: str
    """What must be looked at when the key is refused, in words."""
    p1: float
    """The failure rate to detect."""
    false_per_day: float
    """What this target's own test may contribute to the false verdicts."""
    min_outage_s: float
    hold_s: float
    interval_s: float
    longest_probe_s: float
    blips: Blips
    checks: tuple[Check, ...]
    """What it is asked, each once."""
    alone: bool = True
    """Whether its provider has no other target."""
    late_threshold: float
    """The evidence of lateness that makes a verdict."""
    _thresholds: dict[float, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def failed_s(self) -> float:
        """From a failed probe to the next quick one."""
        return _quickly(_FAILED_S, self.interval_s)

    @property
    def passed_s(self) -> float:
        """From a good probe to the next quick one, while there is evidence."""
        return _quickly(_PASSED_S, self.interval_s)

    @property
    def seldom_s(self) -> float:
        """Between quick probes of a target that answers, but slowly or wrongly."""
        return self.interval_s * QUICK_SHARE

    @property
    def patience_s(self) -> float:
        """How long after its last observation a target is still known."""
        return 3 * self.interval_s + self.longest_probe_s

    def threshold(self, p0: float) -> float:
        """The evidence that makes a verdict, for a background of `p0`."""
        if p0 not in self._thresholds:
            self._thresholds[p0] = self._computed(p0)
        return self._thresholds[p0]

    def _computed(self, p0: float) -> float:
        needed = threshold(self.loop(p0), per_day=self.false_per_day)
        if self.alone:
            return needed
        # Its provider's burst goes to its siblings first: what it shows may then come at its interval alone.
        return max(needed, threshold(replace(self.loop(p0), burst=0), per_day=self.false_per_day))

    def loop(self, p0: float) -> AlarmModel:
        """What the rate of false verdicts depends on, for a background of `p0`."""
        return _loop(self, p0, self.interval_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderParameters:
    """What judging a whole provider takes: the rules of its targets, by target id. Durations in seconds."""

    provider: str
    members: Mapping[str, TargetParameters] = field(hash=False)
    p1: float
    false_per_day: float
    """What the provider's test may contribute to the false verdicts of each of its targets."""
    min_outage_s: float
    blips: Blips
    failed_s: float
    passed_s: float
    """From a good probe to the next quick one, while there is evidence."""
    same_s: float
    """Failures closer than this are one piece of evidence."""
    patience_s: float
    """How long after its last probe what is held against the provider still counts."""

    def threshold(self, p0: float, stream_s: float) -> float:
        """The evidence that makes a verdict on the provider.

        `p0` is the background of its targets together, `stream_s` the time between two probes of any of them.
        """
        return threshold(self.loop(p0, stream_s), per_day=self.false_per_day)

    def loop(self, p0: float, stream_s: float) -> AlarmModel:
        """What the rate of false verdicts on the provider depends on; the same arguments."""
        return _loop(self, p0, max(stream_s, self.same_s))


def _loop(rule: TargetParameters | ProviderParameters, p0: float, interval_s: float) -> AlarmModel:
    return AlarmModel(
        p0=p0,
        p1=rule.p1,
        interval_s=interval_s,
        failed_s=rule.failed_s,
        passed_s=rule.passed_s,
        burst=BURST,
        min_outage_s=rule.min_outage_s,
        blips=rule.blips,
    )


def _quickly(seconds: float, interval_s: float) -> float:
    """So many seconds, but at most a quarter of the interval, and at least half a second where it is that long."""
    return min(interval_s, max(_LEAST_S, min(seconds, interval_s * QUICK_SHARE)))


def rule_for(target: Target, controller: ControllerSettings, *, alone: bool = True) -> TargetParameters:
    """The rule for one target; where it is not `alone`, its provider's test gets half of the error budget."""
    false_per_day = controller.false_failovers_per_day
    return TargetParameters(
        target=target.id,
        model=target.model,
        key=target.provider.key_words,
        p1=controller.detect,
        alone=alone,
        false_per_day=false_per_day if alone else false_per_day / 2,
        min_outage_s=controller.min_outage_s,
        hold_s=controller.failback.hold_s,
        interval_s=target.interval_s,
        longest_probe_s=target.timeouts.total_s,
        blips=controller.blips,
        checks=target.questions,
        late_threshold=latency.threshold(target.interval_s, per_day=false_per_day),
    )


def rules_for(settings: Settings) -> dict[str, TargetParameters]:
    """Every target's rule, by target id."""
    siblings = by_provider(settings.targets)
    return {
        target.id: rule_for(target, settings.controller, alone=len(siblings[target.provider.name]) == 1)
        for target in settings.targets
    }


def pool_rules_for(settings: Settings, rules: Mapping[str, TargetParameters]) -> dict[str, ProviderParameters]:
    """The rule for every provider that has more than one target, by its name; `rules` are those of `rules_for`."""
    controller = settings.controller
    pools = {}
    for provider, targets in by_provider(settings.targets).items():
        if len(targets) > 1:
            members = {target.id: rules[target.id] for target in targets}
            same_s = min(_SAME_S, *(rule.passed_s for rule in members.values()))
            stream_s = 1 / sum(1 / rule.interval_s for rule in members.values())
            pools[provider] = ProviderParameters(
                provider=provider,
                members=members,
                p1=controller.detect,
                false_per_day=controller.false_failovers_per_day / 2,
                min_outage_s=controller.min_outage_s,
                blips=controller.blips,
                failed_s=min(_ELSEWHERE_FAILED_S, *(rule.failed_s for rule in members.values())),
                passed_s=min(_ELSEWHERE_PASSED_S, *(rule.passed_s for rule in members.values())),
                same_s=same_s if stream_s < same_s else 0.0,
                patience_s=max(rule.patience_s for rule in members.values()),
            )
    return pools


def by_provider(targets: Sequence[Target]) -> dict[str, list[Target]]:
    """The targets of each provider, by its name; all in their order."""
    found: dict[str, list[Target]] = {}
    for target in targets:
        found.setdefault(target.provider.name, []).append(target)
    return found
