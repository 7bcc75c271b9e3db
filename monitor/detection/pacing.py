"""When each target is probed next: evenly spread without evidence, in bursts while there is some (pure)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor.detection import limits
from monitor.detection.evidence import Evidence
from monitor.detection.parameters import (
    BURST_CLEAN_PROBES,
    LONGEST_BURST,
    RECOVERING_SHARE,
    ProviderParameters,
    TargetParameters,
    targets_by_provider,
)
from monitor.detection.provider_pool import ProviderEvidence
from monitor.detection.target_state import LONGEST_REST_S, TargetState
from monitor.health import Health
from probes.observation import hot_dataclass
from probes.target import Target

#: Every target is first probed within so many seconds.
FIRST_WITHIN_S = 60.0
#: The most extra probes of a target that answers slowly or wrongly, and of one that is only later than usual.
_DEGRADED_BURST = 12
_LATE_BURST = 24
#: From so many failures on, a target with siblings gets a burst of its own: it may be failing alone.
_FAILING_ALONE = 2


@hot_dataclass
class BurstProbe:
    """An extra probe, in place of any that is planned in the same slot."""

    slot: str
    targets: tuple[str, ...]
    """The targets to choose from: the first of them that is not being probed already."""
    delay_s: float
    """From the end of the probe just observed."""
    afresh: bool = False
    """It is asked of the first target even if that is being probed already, and is evidence of its own."""


def phases(targets: Sequence[Target]) -> dict[str, float]:
    """Seconds after the start at which each target's first probe is due, by target id.

    The targets of a provider are spread evenly over their interval; the providers are shifted against each other, so
    that no two probes are due at the same time.
    """
    providers = targets_by_provider(targets)
    due: dict[str, float] = {}
    for place, siblings in enumerate(providers.values()):
        for number, target in enumerate(siblings):
            due[target.id] = (number + place / len(providers)) / len(siblings) * target.interval_s
    return due


def early_phases(targets: Sequence[Target]) -> dict[str, float]:
    """The same for one probe before the schedule, by which something is known of every target after a minute at most.

    A standby that is probed once an hour would else be none for an hour.
    """
    due = phases(targets)
    return {target.id: due[target.id] * min(1.0, FIRST_WITHIN_S / target.interval_s) for target in targets}


def context_due(targets: Sequence[Target], now: datetime) -> dict[str, datetime]:
    """When each target is asked the check `context` next, by target id: at times of the day that no restart shifts."""
    asked = [(target.id, target.context_check.every_s) for target in targets if target.context_check]
    return {
        target: now + timedelta(seconds=(every_s * place / len(asked) - now.timestamp()) % every_s)
        for place, (target, every_s) in enumerate(asked)
    }


def target_burst_s(
    state: TargetState, parameters: TargetParameters, *, pool: ProviderEvidence | None = None, sharing: int = 1
) -> float | None:
    """Seconds from the last probe's end to an extra one of this target; None when the regular schedule is enough.

    - While there is evidence of failures, a burst: after each failure long enough to reach past most blips, after each
      success soon. It ends 20 successes after the last failure, and after 60 probes in all. A target with siblings,
      whose `pool` is then given, leaves the burst to its provider (`provider_burst_s`) until its own second failure,
      and has its own only while none of the others fails.
    - While there is evidence of slow, wrong or late answers: a quarter of the interval, at most 12 times (24 times
      where it is only later than usual).
    - While it is at a limit (throttled of late): `limits.extra_probe_s`, of `sharing` targets, whatever fails.
    - Not for failures of a check alone that has been reported: one more adds nothing.
    - While a misconfiguration is to be confirmed: as after a failure.
    - While recovering, and while out of service but answering: a third of the interval.
    - While the provider asks for a rest of more than 10 s (Retry-After), and while down or misconfigured and failing:
      none.
    """
    if limits.rests_long(state) or (state.out_of_service and not state.recovery.clean):
        return None
    if state.out_of_service or state.health is Health.RECOVERING:
        return parameters.interval_s * RECOVERING_SHARE
    if state.suspicion:
        return parameters.failed_s
    failures, limited = state.down.evidence, limits.is_limited(state, state.last_seen_at or state.since)
    if limited:
        wanted = limits.is_unsettled(state) or _is_in_burst(failures)
        return limits.extra_probe_s(state, parameters, sharing=sharing) if wanted else None
    if _is_unreported(state, failures) and (delay_s := own_burst_s(failures, parameters, pool)):
        return delay_s
    return parameters.degraded_s if _needs_degraded_burst(state, parameters) else None


def own_burst_s(evidence: Evidence, parameters: TargetParameters, pool: ProviderEvidence | None) -> float | None:
    """The same of its burst after these failures alone."""
    if _is_in_burst(evidence) and (pool is None or fails_alone(evidence, pool)):
        return parameters.passed_s if evidence.clean_streak else parameters.failed_s
    return None


def fails_alone(evidence: Evidence, pool: ProviderEvidence) -> bool:
    """Whether this evidence of one target is of several failures, and none of its siblings has failed."""
    return evidence.failures >= _FAILING_ALONE and not min(pool.without.values(), default=0.0)


def _is_unreported(state: TargetState, evidence: Evidence) -> bool:
    """Whether any other check failed than those that people have been told of."""
    if not evidence.checks or not state.check_failures:
        return True
    return not all(state.is_reported(check) for check in evidence.checks)


def _needs_degraded_burst(state: TargetState, parameters: TargetParameters) -> bool:
    tracks = state.slow.evidence, state.wrong.evidence
    for evidence in tracks:
        if 0 < evidence.probes <= _DEGRADED_BURST and _is_unreported(state, evidence):
            return True
    return state.latency.is_suspicious(parameters.late_threshold) and state.latency.lateness.answers <= _LATE_BURST


def provider_burst_s(pool: ProviderEvidence, parameters: ProviderParameters) -> float | None:
    """Seconds until an extra probe of any target of the provider; None when the regular schedule is enough."""
    evidence = pool.evidence
    return after_probes_s(evidence.value, evidence.probes, evidence.clean_streak, parameters)


def after_probes_s(value: float, probes: int, clean_streak: int, parameters: ProviderParameters) -> float | None:
    """The same after so many probes, of which the last ones were good, that left this evidence."""
    if not (value > 0 and clean_streak <= BURST_CLEAN_PROBES and probes <= LONGEST_BURST):
        return None
    return parameters.passed_s if clean_streak else parameters.failed_s


def is_resting(state: TargetState, now: datetime) -> bool:
    """Whether the provider has asked (Retry-After) not to be probed yet."""
    # A clock that was set back must not turn a short rest into a long one.
    return state.resting_until is not None and 0 < (state.resting_until - now).total_seconds() <= LONGEST_REST_S


def _is_in_burst(evidence: Evidence) -> bool:
    return evidence.value > 0 and evidence.clean_streak <= BURST_CLEAN_PROBES and evidence.probes <= LONGEST_BURST
