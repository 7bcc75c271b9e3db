"""The last probes of a target, by which the policy tells which of several failing targets fails least (pure)."""

from collections.abc import Iterable
from datetime import timedelta

from monitor.detection.target_state import TargetState
from monitor.health import RECENT_PROBES, RecentProbe
from probes.observation import Observation
from probes.outcome import Blame, Effect


def add_probe(
    state: TargetState, observation: Observation, interval_s: float, *, blind: bool
) -> tuple[RecentProbe, ...]:
    """The last probes after one more observation. Inconclusive ones are left out; blindness empties the list."""
    if blind and observation.outcome.blame is Blame.UNDECIDED:
        return ()
    recent, effect = with_pending(state, interval_s), observation.outcome.effect
    if effect is Effect.NOTHING:
        return recent
    return (*recent, RecentProbe(at=observation.finished_at, effect=effect))[-RECENT_PROBES:]


def add_beside(state: TargetState, answers: Iterable[Observation]) -> tuple[RecentProbe, ...]:
    """The last probes after good answers that came beside the schedule; those of quiet time stay pending."""
    beside = (RecentProbe(at=answer.finished_at, effect=Effect.UP) for answer in answers)
    return (*state.recent, *beside)[-RECENT_PROBES:]


def with_pending(state: TargetState, interval_s: float) -> tuple[RecentProbe, ...]:
    """The last probes with those of quiet time, which are only counted: they are taken to be one interval apart."""
    recent, last_at = state.recent, state.last_seen_at
    if not state.clean_pending or last_at is None:
        return recent
    places = range(min(state.clean_pending, RECENT_PROBES) - 1, -1, -1)
    quiet = [RecentProbe(at=last_at - timedelta(0, place * interval_s), effect=Effect.UP) for place in places]
    if recent and recent[-1].at > quiet[0].at:  # it came in between
        return tuple(sorted((*recent, *quiet), key=lambda probe: probe.at)[-RECENT_PROBES:])
    return (*recent, *quiet)[-RECENT_PROBES:]
