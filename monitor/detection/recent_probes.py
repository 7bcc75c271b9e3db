"""The last probes of a target, by which the policy tells which of several failing targets fails least (pure)."""

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
    recent = [*with_pending(state, interval_s)]
    if observation.outcome.effect is not Effect.NOTHING:
        recent.append(RecentProbe(at=observation.finished_at, effect=observation.outcome.effect))
    return tuple(recent[-RECENT_PROBES:])


def with_pending(state: TargetState, interval_s: float) -> tuple[RecentProbe, ...]:
    """The last probes with those of quiet time, which are only counted: they are taken to be one interval apart."""
    if not state.clean_pending or state.last_seen_at is None:
        return state.recent
    ages_s = (place * interval_s for place in reversed(range(min(state.clean_pending, RECENT_PROBES))))
    quiet = (RecentProbe(at=state.last_seen_at - timedelta(seconds=age_s), effect=Effect.UP) for age_s in ages_s)
    return (*state.recent, *quiet)[-RECENT_PROBES:]
