"""What the detector needs to know of the configuration, per target and per provider (pure)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version

from monitor.config.controller_settings import Blips, ControllerSettings
from monitor.config.settings import Settings
from monitor.detection import latency
from monitor.detection.threshold import AlarmModel, threshold
from monitor.detection.traffic_model import TRAFFIC_SHARE
from probes.target import Target

_VERSION = version("hotspare")
#: The most burst probes of one excursion.
LONGEST_BURST = 60
#: A burst ends after so many successes since the last failure.
BURST_CLEAN_PROBES = 20
#: Burst probes are never closer than this share of the interval.
BURST_SHARE = 1 / 4
#: The interval of a recovering target, as a share of its own.
RECOVERING_SHARE = 1 / 3
#: How many intervals a check is waited for; one that is asked less often makes no verdict by itself.
AWAITED_INTERVALS = 20
#: To the next burst probe: after a failure long enough that most blips are over, after a success soon.
_AFTER_FAILURE_S = 5.0
_AFTER_SUCCESS_S = 1.0
#: What an answer takes, as far as thresholds reckon with it. Slower ones, up to `min_outage`, change hardly anything.
_ANSWER_S = 5.0
#: Probes closer together than this would give the same evidence twice.
_SHORTEST_GAP_S = 0.5
#: The same where the next probe goes to another target of the provider.
_PROVIDER_AFTER_FAILURE_S = 4.0
_PROVIDER_AFTER_SUCCESS_S = 0.5
#: The share of a target's error budget that its test on fresh evidence gets; the rest is its CUSUM's.
_FRESH_SHARE = 1 / 4
#: The share of the whole that the tests of a provider get, where it has several targets.
_POOL_SHARE = 3 / 4
#: The same of a provider: it is more often asked afresh, so that two blips in a row weigh more.
_POOL_FRESH_SHARE = 1 / 2
#: Where a provider's targets are probed closer together than this, failures within it count as one.
_SAME_EVIDENCE_S = 1.0
#: The share of the whole that what several regions show together gets.
_ACROSS_SHARE = 1 / 4


@cache
def known_thresholds(model: AlarmModel, per_day: float, *, alone: bool) -> dict[float, float]:  # noqa: ARG001
    """The thresholds found so far of targets like these, by background; `model` is that of any background."""
    return {}


def patience_s(interval_s: float, longest_probe_s: float) -> float:
    """As of `TargetParameters`."""
    return 3 * interval_s + longest_probe_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeIdentity:
    """What decides how a target is asked."""

    version: str
    """Of Hotspare."""
    settings: str
    """A digest of the settings that shape the requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetParameters:
    """One target's share of the configuration. Durations in seconds; `p1` is the failure rate to detect."""

    target: str
    model: str
    key: str
    p1: float
    false_per_day: float
    """False verdicts a day that this target's own CUSUM may cause."""
    fresh_false_per_day: float
    """The same of its test on fresh evidence (`monitor.detection.fresh_evidence`)."""
    traffic_false_per_day: float = 0.0
    """The same of what applications report (`monitor.detection.traffic_model`); 0: nobody listens."""
    min_outage_s: float
    hold_s: float
    interval_s: float
    longest_probe_s: float
    blips: Blips
    checks: tuple[str, ...]
    dialect: str
    probe: ProbeIdentity
    alone: bool = True
    late_threshold: float
    _thresholds: dict[float, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Share the thresholds with those that are alike: there may be ten thousand."""
        shared = known_thresholds(self.alarm_model(0.0), self.false_per_day, alone=self.alone)
        object.__setattr__(self, "_thresholds", shared)

    @property
    def failed_s(self) -> float:
        """From a failed probe to the next burst probe."""
        return _burst_gap_s(_AFTER_FAILURE_S, self.interval_s)

    @property
    def passed_s(self) -> float:
        """From a good probe to the next burst probe, while there is evidence."""
        return _burst_gap_s(_AFTER_SUCCESS_S, self.interval_s)

    @property
    def degraded_s(self) -> float:
        """Between extra probes of a target that answers, but slowly or wrongly."""
        return self.interval_s * BURST_SHARE

    @property
    def patience_s(self) -> float:
        """How long after its last observation a target's health still counts as known."""
        return patience_s(self.interval_s, self.longest_probe_s)

    def threshold(self, p0: float) -> float:
        """The evidence that makes a verdict, for a background failure rate of `p0`."""
        if p0 not in self._thresholds:
            # The burst of a provider probes the siblings first, so that own evidence may come at the interval alone.
            bursts = (LONGEST_BURST,) if self.alone else (LONGEST_BURST, 0)
            models = (replace(self.alarm_model(p0), burst=burst) for burst in bursts)
            self._thresholds[p0] = max(threshold(model, per_day=self.false_per_day) for model in models)
        return self._thresholds[p0]

    def alarm_model(self, p0: float) -> AlarmModel:
        """What the rate of false verdicts depends on, for a background failure rate of `p0`."""
        return _alarm_model(self, p0, self.interval_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderParameters:
    """The configuration that the test of a whole provider needs. Durations in seconds."""

    provider: str
    members: Mapping[str, TargetParameters] = field(hash=False)
    """The parameters of its targets, by target id; where it is `across_regions`, of its regions by name."""
    across_regions: bool = False
    """Whether it is about what several regions show of one model."""
    p1: float
    false_per_day: float
    """False verdicts a day that the provider's CUSUM may cause on each of its targets."""
    fresh_false_per_day: float
    """The same of its test on fresh evidence."""
    longest_probe_s: float
    min_outage_s: float
    blips: Blips
    failed_s: float
    passed_s: float
    same_s: float
    """Failures closer together than this count as one."""
    patience_s: float
    _thresholds: dict[tuple[float, float], float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def threshold(self, p0: float, stream_s: float) -> float:
        """The evidence that makes a verdict, for a background of `p0` and `stream_s` between two probes."""
        known = self._thresholds.get((p0, stream_s))
        if known is None:
            known = threshold(self.alarm_model(p0, stream_s), per_day=self.false_per_day)
            self._thresholds[p0, stream_s] = known
        return known

    def alarm_model(self, p0: float, stream_s: float) -> AlarmModel:
        """What the rate of false verdicts on the provider depends on; arguments as for `threshold`."""
        # Only where the stream is quicker than the longest blip do regular probes meet one beside those of the burst.
        goes_on = not self.same_s and stream_s < self.blips.longest_s
        return replace(_alarm_model(self, p0, max(stream_s, self.same_s)), goes_on=goes_on)


def _alarm_model(parameters: TargetParameters | ProviderParameters, p0: float, interval_s: float) -> AlarmModel:
    return AlarmModel(
        p0=p0,
        p1=parameters.p1,
        interval_s=interval_s,
        failed_s=parameters.failed_s,
        passed_s=parameters.passed_s,
        burst=LONGEST_BURST,
        min_outage_s=parameters.min_outage_s,
        blips=parameters.blips,
        answer_s=_ANSWER_S,
    )


def _burst_gap_s(seconds: float, interval_s: float) -> float:
    """So many seconds, at most a quarter of the interval, at least half a second, never more than the interval."""
    return min(interval_s, max(_SHORTEST_GAP_S, min(seconds, interval_s * BURST_SHARE)))


def target_parameters(
    target: Target, controller: ControllerSettings, *, alone: bool = True, traffic: bool = False, across: bool = False
) -> TargetParameters:
    """The parameters of one target; where it is not `alone`, its provider's tests get most of the error budget.

    `traffic`: what applications report is listened to, and `across`: several regions probe its provider, each of which
    has a share of its own.
    """
    false_per_day = controller.false_failovers_per_day
    all_by_probes = probes_per_day(false_per_day, traffic=traffic)
    by_probes = _within_region(all_by_probes, across=across)
    own_per_day = by_probes if alone else (1 - _POOL_SHARE) * by_probes
    return TargetParameters(
        target=target.id,
        model=target.model,
        key=target.provider.key_source,
        p1=controller.detect,
        alone=alone,
        false_per_day=(1 - _FRESH_SHARE) * own_per_day,
        fresh_false_per_day=_FRESH_SHARE * own_per_day,
        traffic_false_per_day=false_per_day - all_by_probes,
        min_outage_s=controller.min_outage_s,
        hold_s=controller.failback.hold_s,
        interval_s=target.interval_s,
        longest_probe_s=target.timeouts.total_s,
        blips=controller.blips,
        checks=target.questions,
        dialect=target.provider.dialect,
        probe=probe_identity(target),
        late_threshold=latency.threshold(target.interval_s, per_day=false_per_day),
    )


def probes_per_day(false_per_day: float, *, traffic: bool) -> float:
    """How much of the error budget the tests of probes have, where `traffic` is listened to and where it is not."""
    return false_per_day * (1 - TRAFFIC_SHARE) if traffic else false_per_day


def _within_region(false_per_day: float, *, across: bool) -> float:
    """How much of what the tests of probes have is left to those of one region."""
    return (1 - _ACROSS_SHARE) * false_per_day if across else false_per_day


def probe_identity(target: Target) -> ProbeIdentity:
    """How this target is asked by this version, as far as a provider could refuse it."""
    provider = target.provider
    shape = (provider.dialect, provider.preset, provider.base_url, provider.region, provider.api_version)
    custom = target.custom_checks.values()
    asked = (*shape, target.model, target.questions, sorted(target.parameters.items()), target.dimensions, *custom)
    return ProbeIdentity(version=_VERSION, settings=sha256(repr(asked).encode()).hexdigest()[:16])


def parameters_by_target(settings: Settings) -> dict[str, TargetParameters]:
    """The parameters of every target, by target id."""
    siblings, controller, traffic = targets_by_pool(settings.targets), settings.controller, bool(settings.traffic)
    across = in_several_regions(settings.targets)
    return {
        target.id: target_parameters(
            target,
            controller,
            alone=len(siblings[pool_name(target)]) == 1,
            traffic=traffic,
            across=target.plain_name in across,
        )
        for target in settings.targets
    }


def parameters_by_provider(
    settings: Settings, targets: Mapping[str, TargetParameters]
) -> dict[str, ProviderParameters]:
    """The parameters of every provider with several targets, by `pool_name`; `targets` is `parameters_by_target`."""
    across = in_several_regions(settings.targets)
    return {
        pool: _provider_parameters(
            pool,
            [targets[member.id] for member in members],
            settings,
            across=any(member.plain_name in across for member in members),
        )
        for pool, members in targets_by_pool(settings.targets).items()
        if len(members) > 1
    }


def _provider_parameters(
    provider: str, members: Sequence[TargetParameters], settings: Settings, *, across: bool
) -> ProviderParameters:
    controller = settings.controller
    same_s = min(_SAME_EVIDENCE_S, *(member.passed_s for member in members))
    stream_s = 1 / sum(1 / member.interval_s for member in members)
    by_probes = probes_per_day(controller.false_failovers_per_day, traffic=bool(settings.traffic))
    budget = _POOL_SHARE * _within_region(by_probes, across=across)
    return ProviderParameters(
        provider=provider,
        members={member.target: member for member in members},
        p1=controller.detect,
        false_per_day=(1 - _POOL_FRESH_SHARE) * budget,
        fresh_false_per_day=_POOL_FRESH_SHARE * budget,
        longest_probe_s=max(member.longest_probe_s for member in members),
        min_outage_s=controller.min_outage_s,
        blips=controller.blips,
        # A target that is probed often (a sentinel) brings no more probes into one blip.
        failed_s=min(_PROVIDER_AFTER_FAILURE_S, max(member.failed_s for member in members)),
        passed_s=min(_PROVIDER_AFTER_SUCCESS_S, max(member.passed_s for member in members)),
        same_s=same_s if stream_s < same_s else 0.0,
        patience_s=max(member.patience_s for member in members),
    )


def parameters_across_regions(
    settings: Settings, targets: Mapping[str, TargetParameters]
) -> dict[str, ProviderParameters]:
    """The parameters of every model that several regions probe, by its plain name; its members are the regions.

    Each region may have a burst of its own, so that what fails within the time between two probes of a burst counts as
    one.
    """
    controller, listens = settings.controller, bool(settings.traffic)
    found = {}
    for model, regions in in_several_regions(settings.targets).items():
        members = {region: replace(targets[target], target=region) for region, target in regions.items()}
        found[model] = ProviderParameters(
            provider=model,
            members=members,
            across_regions=True,
            p1=controller.detect,
            false_per_day=_ACROSS_SHARE * probes_per_day(controller.false_failovers_per_day, traffic=listens),
            fresh_false_per_day=0.0,
            longest_probe_s=max(each.longest_probe_s for each in members.values()),
            min_outage_s=controller.min_outage_s,
            blips=controller.blips,
            failed_s=_PROVIDER_AFTER_FAILURE_S,
            passed_s=_PROVIDER_AFTER_SUCCESS_S,
            same_s=_PROVIDER_AFTER_FAILURE_S,
            patience_s=max(each.patience_s for each in members.values()),
        )
    return found


def in_several_regions(targets: Sequence[Target]) -> dict[str, dict[str, str]]:
    """The target of each region, by the plain name of the model and the region, of models that several probe."""
    grouped: dict[str, dict[str, str]] = {}
    for target in targets:
        if target.monitored_from:
            grouped.setdefault(target.plain_name, {})[target.monitored_from] = target.id
    return {model: regions for model, regions in grouped.items() if len(regions) > 1}


def pool_name(target: Target) -> str:
    """The name of what its provider's targets show together: the provider's, with regions `provider@region`."""
    provider = target.provider.name
    return f"{provider}@{target.monitored_from}" if target.monitored_from else provider


def targets_by_pool(targets: Sequence[Target]) -> dict[str, list[Target]]:
    """The targets that are judged together, by `pool_name`: those of a provider, as seen from one region."""
    return _grouped(targets, pool_name)


def targets_by_provider(targets: Sequence[Target]) -> dict[str, list[Target]]:
    """The targets of each provider, by its name; all in their order."""
    return _grouped(targets, lambda target: target.provider.name)


def _grouped(targets: Sequence[Target], name_of: Callable[[Target], str]) -> dict[str, list[Target]]:
    grouped: dict[str, list[Target]] = {}
    for target in targets:
        grouped.setdefault(name_of(target), []).append(target)
    return grouped
