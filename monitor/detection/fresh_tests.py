"""The tests on fresh evidence that are under way, and the probes that they want (pure)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from monitor.detection import fresh_evidence, fresh_model, reasons
from monitor.detection.background import rounded
from monitor.detection.fresh_evidence import SHORTEST_HANG_S, FreshTest, Step
from monitor.detection.fresh_model import MOST_TARGETS, FreshModel
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import ProviderParameters, TargetParameters
from monitor.detection.target_state import TargetState
from probes.observation import Observation
from probes.outcome import Blame

#: After so long the neutral endpoints are asked again whether a failure is our own network's.
_NETWORK_ASKED_S = 2.3
#: A test that a restart has ended began with a failure this young: it is begun anew.
TESTED_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFailure:
    """What makes a failure that applications have reported begin a test (`monitor.detection.traffic_detector`)."""

    fresh_chance: float
    """The chance by which fresh probes may reach the test's threshold."""
    wait_s: float | None = None
    """It is more than one, so that no probes need confirm it: fresh ones are asked after so long."""


class FreshTests:
    """At most one test of each target and of each provider. Not thread-safe."""

    def __init__(self) -> None:
        self._tests: dict[str, FreshTest] = {}
        """By target or provider."""
        self._wanted: dict[str, BurstProbe] = {}
        """By slot."""

    def begin(
        self,
        failed: Observation,
        targets: Sequence[str],
        parameters: TargetParameters | ProviderParameters,
        model: FreshModel,
        reported: ReportedFailure | None = None,
    ) -> None:
        """Begin a test with this failure, where none goes on: of one target, or of several of a provider."""
        pause_s = fresh_evidence.wait_s(parameters.blips, parameters.min_outage_s)
        if reported:
            needed = fresh_model.threshold_of_chance(model, reported.fresh_chance)
            pause_s = pause_s if reported.wait_s is None else reported.wait_s
        else:
            model, needed = fresh_model.within_promise(model, per_day=parameters.fresh_false_per_day)
        if failed.outcome.blame is Blame.UNDECIDED:
            pause_s = max(pause_s, _NETWORK_ASKED_S)
        confirmed = reported is not None and reported.wait_s is not None
        step = fresh_evidence.begin(failed, targets, model, needed=needed, pause_s=pause_s, confirmed=confirmed)
        self._take_step(_name(parameters), failed, step)

    def is_under_way(self, parameters: TargetParameters | ProviderParameters, at: datetime) -> bool:
        """Whether the test of this target or provider goes on at this instant."""
        test = self._tests.get(_name(parameters))
        return test is not None and not fresh_evidence.is_over(test, at, parameters.longest_probe_s)

    def add_probe(self, name: str, observation: Observation) -> FreshTest | None:
        """The test of this target or provider, if this probe makes it conclusive or partial; it is over then."""
        test = self._tests.get(name)
        if test is None:
            return None
        after, _ = step = fresh_evidence.add_probe(test, observation)
        self._take_step(name, observation, step)
        if after is None or not (after.is_conclusive or after.is_partial):
            return None
        self.end(name)
        return after

    def go_on(self, test: FreshTest, state: TargetState, parameters: TargetParameters, last: Observation) -> None:
        """Ask at once whether this target fails alone, where the test of its provider has just proved partial.

        That it has failed twice in that test stands for the confirmations of its own.
        """
        target, per_day = state.target, parameters.fresh_false_per_day
        model, needed = fresh_model.within_promise(model_of(state, parameters), per_day=per_day)
        at = last.finished_at
        self._take_step(target, last, fresh_evidence.go_on(test, target, model, needed=needed, at=at))

    def _take_step(self, name: str, observation: Observation, step: Step) -> None:
        test, asked = step
        if test is None:
            self._tests.pop(name, None)
        else:
            self._tests[name] = test
        for place, probe in enumerate(asked):
            slot = f"{name} afresh {place}"
            delay_s = (probe.at - observation.finished_at).total_seconds()
            self._wanted[slot] = BurstProbe(slot=slot, targets=(probe.target,), delay_s=delay_s, afresh=True)

    def end(self, name: str) -> None:
        """End the test of this target or provider without a verdict, if there is one."""
        self._tests.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._tests

    def at_most_confirms(self, name: str) -> bool:
        """Whether the test of this target or provider, if there is one, still confirms the failure."""
        test = self._tests.get(name)
        return test is None or not test.rounds

    def test_of(self, target: str, provider: str) -> str:
        """The name of the test that a probe of this target is asked for: of the target alone, or of its provider."""
        return target if target in self else provider

    def take_wanted(self) -> tuple[BurstProbe, ...]:
        """The probes wanted since the last call, counted from the end of the probe just observed."""
        wanted = tuple(self._wanted.values())
        self._wanted.clear()
        return wanted

    def snapshot(self) -> Mapping[str, FreshTest]:
        """The tests under way, by target or provider; later probes do not change the value."""
        return dict(self._tests)

    def restore(self, tests: Mapping[str, FreshTest]) -> None:
        """Go on with these tests alone."""
        self._tests = dict(tests)
        self._wanted.clear()


def _name(tested: TargetParameters | ProviderParameters) -> str:
    return tested.target if isinstance(tested, TargetParameters) else tested.provider


def model_of(state: TargetState, parameters: TargetParameters) -> FreshModel:
    """What the rate of false verdicts on this target depends on, by what is usual for it now."""
    return target_model(parameters, state.background_rate(parameters.interval_s))


def target_model(parameters: TargetParameters, p0: float) -> FreshModel:
    """What the rate of false verdicts on one target depends on."""
    return FreshModel(p0=p0, p1=parameters.p1, interval_s=parameters.interval_s, blips=parameters.blips)


def provider_model(parameters: ProviderParameters, targets: Sequence[str], rates: Mapping[str, float]) -> FreshModel:
    """The same of a provider with these targets; `rates` are their background failure rates.

    Of unequal rates the mean counts: so many failures are never likelier under them than under their mean (Hoeffding,
    *Annals of Mathematical Statistics* 1956). Those who are probed more often begin more tests.
    """
    frequency = {target: 1 / parameters.members[target].interval_s for target in targets}
    # The same for the same targets in any order: thresholds are known by their model.
    together = math.fsum(frequency.values())
    scheduled = math.fsum(frequency[target] * rates[target] for target in targets) / together
    return FreshModel(
        p0=rounded(max(scheduled, fmean(rates[target] for target in targets))),
        p1=parameters.p1,
        interval_s=1 / together,
        blips=parameters.blips,
        targets=min(len(targets), MOST_TARGETS),
    )


def hang_s(state: TargetState, parameters: TargetParameters) -> float:
    """Seconds after which a probe of this target hangs; infinite where that is not known, or the target is slow."""
    baselines = state.latency.usual.values()
    if not baselines or state.latency.is_suspicious(parameters.late_threshold):
        return math.inf
    blip_s = fresh_evidence.wait_s(parameters.blips, parameters.min_outage_s)
    longest_s = max(SHORTEST_HANG_S, blip_s, *(baseline.longest_s for baseline in baselines))
    return longest_s if longest_s < parameters.longest_probe_s else math.inf


def verdict_reason(test: FreshTest, at: datetime, *, provider: str, members: int) -> str:
    """Why a target is down by a test on fresh evidence, or all of the provider's targets where there are `members`."""
    where = f" on {len(test.failing)} of its {members} targets" if members else ""
    model = test.model
    reason = reasons.failed_afresh(test.evidence, test.needed, at, p0=model.p0, p1=model.p1, where=where)
    return f"all of {provider}, as {reason}" if members else reason
