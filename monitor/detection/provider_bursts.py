"""Which targets of a provider are probed besides their schedules, while something is known against it (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256

from monitor.detection import limits, pacing, provider_pool
from monitor.detection.fresh_model import MOST_TARGETS
from monitor.detection.fresh_tests import FreshTests
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import ProviderParameters, TargetParameters
from monitor.detection.provider_pool import ProviderEvidence
from monitor.detection.target_state import TargetState
from monitor.health import NO_VERDICT


class PlannedBursts:
    """When the next extra probe of each provider is due. Not thread-safe."""

    def __init__(self) -> None:
        self._due: dict[str, datetime] = {}

    def plan(
        self, provider: ProviderParameters, burst: list[BurstProbe], interval_s: float, at: datetime
    ) -> list[BurstProbe]:
        """The next probe of the burst after one at `at` of a target with this interval; none where one is to be kept.

        A target that is probed more often than the burst would else put it off for ever, and no sibling be asked.
        """
        if not burst:
            return []
        due, planned = at + timedelta(seconds=burst[0].delay_s), self._due.get(provider.provider)
        if interval_s < provider.failed_s and planned and at < planned <= due:
            return []
        self._due[provider.provider] = due
        return burst

    def replan(self, provider: str, due: datetime) -> None:
        """Note that the next probe of the burst on this provider is due then."""
        self._due[provider] = due


def confirming_probes(provider: ProviderParameters, states: Mapping[str, TargetState]) -> list[BurstProbe]:
    """An extra probe of each target of the provider whose misconfiguration is to be confirmed."""
    return [
        BurstProbe(slot=target, targets=(target,), delay_s=parameters.failed_s)
        for target, parameters in provider.members.items()
        if states[target].suspicion and states[target].health in NO_VERDICT
    ]


def plan_burst(
    pool: ProviderEvidence, provider: ProviderParameters, states: Mapping[str, TargetState]
) -> list[BurstProbe]:
    """The next extra probe of any target of the provider, if there is evidence against it."""
    if pacing.provider_burst_s(pool, provider) is None:
        return []
    last_seen_at, evidence = dict[str, datetime](), dict[str, float]()
    for target in provider.members:
        state = states[target]
        at = state.last_seen_at or state.since
        if state.health in NO_VERDICT and not state.resting_until and not limits.is_limited(state, at):
            last_seen_at[target], evidence[target] = at, state.down.evidence.value
    return [next_probe(pool, provider, last_seen_at, evidence)] if last_seen_at else []


def next_probe(
    pool: ProviderEvidence,
    provider: ProviderParameters,
    last_seen_at: Mapping[str, datetime],
    evidence: Mapping[str, float],
) -> BurstProbe:
    """The next extra probe of any of these targets of the provider, against which there is so much evidence."""
    targets = next_targets(pool, provider, last_seen_at, evidence)
    return BurstProbe(slot=provider.provider, targets=targets, delay_s=pacing.provider_burst_s(pool, provider) or 0.0)


def next_targets(
    pool: ProviderEvidence,
    provider: ProviderParameters,
    last_seen_at: Mapping[str, datetime],
    evidence: Mapping[str, float],
) -> tuple[str, ...]:
    """The targets that it chooses from; the first that is not being probed is asked."""
    suspect = max(evidence, key=evidence.__getitem__)
    if provider.members[suspect].interval_s <= provider_pool.SUSPECT_TURN * provider.failed_s:
        suspect = ""  # the schedule of a sentinel brings it as soon
    return provider_pool.burst_order(pool, last_seen_at, suspect)


def testable_targets(
    provider: ProviderParameters, states: Mapping[str, TargetState], tested: FreshTests, at: datetime
) -> list[str]:
    """The targets that may be asked afresh for the whole provider, in the order in which they are to be asked.

    Those come last that have failed of late: where only they fail, the others show it. Else those come first that were
    not observed for longest; of more than a test asks, any, in another order each time: neighbours may be of a kind,
    and fail together. `tested` are those that are asked afresh already.
    """
    fit = [
        state
        for state in map(states.__getitem__, provider.members)
        if state.health in NO_VERDICT
        and not (limits.is_limited(state, at) or state.resting_until or state.target in tested)
    ]
    if len(fit) > MOST_TARGETS:
        now = str(at)
        fit.sort(key=lambda state: sha256(f"{state.target} {now}".encode()).digest())
    else:
        fit.sort(key=lambda state: state.last_seen_at or state.since)
    fit.sort(key=lambda state: bool(state.down.evidence.value))
    return [state.target for state in fit]


def background_rates(targets: Mapping[str, TargetParameters], states: Mapping[str, TargetState]) -> dict[str, float]:
    """How often each of these targets fails in quiet times against which no verdict stands; shares."""
    serving = ((states[target], parameters) for target, parameters in targets.items())
    return {
        state.target: state.background_rate(parameters.interval_s)
        for state, parameters in serving
        if state.health in NO_VERDICT
    }
