"""Judges what applications report: starts probes, suspects a target, and finds it down with a second source (pure).

It stands beside the `Detector`, which it asks for probes and hands its verdicts. It never finds that a target is back.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from monitor.config.settings import Settings
from monitor.detection import fresh_evidence, reasons, state_machine
from monitor.detection.detector import Detector
from monitor.detection.evidence import Evidence
from monitor.detection.fresh_model import CONFIRMING_PROBES
from monitor.detection.fresh_tests import ReportedFailure
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import TargetParameters
from monitor.detection.target_traffic import EvidenceSoFar, TargetTraffic, TrafficFinding
from monitor.detection.traffic_model import chance_of_trigger
from monitor.formatting import plural
from monitor.health import Health, Transition
from monitor.traffic.request_counts import RequestCounts
from probes.observation import Observation
from probes.outcome import Outcome

#: Why a host is not believed any more; asked for by `take_denied`.
DeniedHost = tuple[str, str]


class TrafficDetector:
    """The traffic of all targets. Not thread-safe."""

    def __init__(self, settings: Settings, detector: Detector, *, prepare: Callable[[str], None] | None = None) -> None:
        """`prepare` is called with a target before its state is changed, or probes of it are asked for."""
        self._detector = detector
        self._prepare = prepare or (lambda _target: None)
        self._traffic: dict[str, TargetTraffic] = {}
        self._known = {target.id for target in settings.targets}
        self._denied: list[DeniedHost] = []

    def observe(self, counts: Iterable[RequestCounts]) -> tuple[Transition, ...]:
        """Weigh these counts; the transitions. Those of unknown targets change nothing."""
        changed: tuple[Transition, ...] = ()
        for each in counts:
            if each.target in self._known:
                changed += self._observe(each)
        return changed

    def observe_probe(self, observation: Observation, *, blind: bool = False) -> tuple[Transition, ...]:
        """Take a probe for a second source, where it was asked afresh; the `Detector` observes it as well."""
        traffic = self._traffic.get(observation.target)
        if traffic is None or traffic.quiet or not observation.afresh or blind:
            return ()
        target, at = observation.target, observation.finished_at
        traffic.add_probe(
            started_at=observation.started_at, outcome=observation.outcome, guard_s=self._guard_s(target, observation)
        )
        return self._follow(traffic, target, at, traffic.judge(at), observation)

    def take_asked(self) -> tuple[BurstProbe, ...]:
        """The probes that the last counts ask for, from the end of their time on."""
        return self._detector.fresh.take_wanted()

    def take_denied(self) -> list[DeniedHost]:
        """The hosts that are not believed any more since the last call, each with its target."""
        denied, self._denied = self._denied, []
        return denied

    def snapshot(self) -> Mapping[str, EvidenceSoFar]:
        """The evidence, by target; later counts do not change the value."""
        return {target: traffic.evidence() for target, traffic in self._traffic.items() if not traffic.quiet}

    def restore(self, evidence: Mapping[str, EvidenceSoFar]) -> None:
        """Go back to this evidence, as if the counts since had not come; what is usual stays learned."""
        for target, traffic in self._traffic.items():
            if target in evidence:
                traffic.resume(evidence[target])
            else:
                traffic.clear()
        self._detector.fresh.take_wanted()
        self._denied = []

    def go_on_from(self, former: "TrafficDetector") -> None:
        """Go on with what the one of other settings knows of these targets."""
        known = former._traffic  # noqa: SLF001 - of the same class
        self._traffic = {target: traffic for target, traffic in known.items() if target in self._known}

    def is_quiet(self, target: str) -> bool:
        """Whether there is no evidence in the traffic of this target."""
        traffic = self._traffic.get(target)
        return traffic is None or traffic.quiet

    def is_uncorroborated(self, target: str) -> bool:
        """Whether there is no more evidence than chance brings about."""
        traffic = self._traffic.get(target)
        return traffic is None or traffic.uncorroborated

    def is_outweighed(self, target: str, host: str, failed: int, answered: int) -> bool:
        """Whether such counts of a host leave a quiet target quiet."""
        traffic = self._traffic.get(target)
        return traffic is not None and traffic.is_outweighed(host, failed, answered)

    def _observe(self, counts: RequestCounts) -> tuple[Transition, ...]:
        target = counts.target
        state, traffic = self._detector.state_of(target), self._traffic_of(target)
        if state.out_of_service or state.health is Health.RECOVERING:
            traffic.clear()
            return ()
        failed = self._pseudo_probe(counts)
        finding = traffic.add(counts, self._guard_s(target, failed) if counts.failed or not traffic.quiet else 0.0)
        return self._follow(traffic, target, counts.ended_at, finding, failed)

    def _traffic_of(self, target: str) -> TargetTraffic:
        traffic, parameters = self._traffic.get(target), self._detector.parameters_of(target)
        if traffic is None:
            usual = self._detector.state_of(target).down.background.rate
            traffic = self._traffic[target] = TargetTraffic(parameters, usual)
        traffic.parameters = parameters
        return traffic

    def _guard_s(self, target: str, failed: Observation) -> float:
        """How long a blip may last."""
        parameters = self._detector.parameters_of(target)
        return max(fresh_evidence.guard_s(parameters.blips, parameters.min_outage_s), self._detector.blip_s(failed))

    def _follow(
        self, traffic: TargetTraffic, target: str, at: datetime, finding: TrafficFinding, failed: Observation
    ) -> tuple[Transition, ...]:
        parameters = self._detector.parameters_of(target)
        ends = traffic.quiet and bool(self._detector.state_of(target).reported)
        if finding is not TrafficFinding.NOTHING or ends:
            self._prepare(target)
        if finding is TrafficFinding.TRIGGER:
            chance = chance_of_trigger(traffic.model, CONFIRMING_PROBES)
            self._detector.ask_afresh(failed, ReportedFailure(fresh_chance=chance))
        elif finding in {TrafficFinding.SUSPECTED, TrafficFinding.UNCONFIRMED}:
            chance = traffic.bounds.fresh_chance
            wait_s = self._guard_s(target, failed) if finding is TrafficFinding.SUSPECTED else 0.0
            self._detector.ask_afresh(failed, ReportedFailure(fresh_chance=chance, wait_s=wait_s))
        elif finding is TrafficFinding.DENIED:
            self._denied.append((target, traffic.denied))
        elif finding is TrafficFinding.DOWN:
            return self._condemn(traffic, target, at, parameters)
        if finding is TrafficFinding.SUSPECTED:
            return self._report(target, at, self._reason(traffic, at, parameters, conclusive=False), traffic)
        return self._report(target, at, "", traffic) if ends else ()

    def _report(self, target: str, at: datetime, text: str, traffic: TargetTraffic) -> tuple[Transition, ...]:
        """Suspect the target for what is reported, or end that."""
        before, parameters = self._detector.state_of(target), self._detector.parameters_of(target)
        after = before.replace(reported=text)
        if text and before.health is Health.UP:
            after = after.enter(Health.SUSPECT, at, text)
        late = after.latency.is_suspicious(parameters.late_threshold)
        if not text and before.health is Health.SUSPECT and not (after.has_evidence or after.suspicion or late):
            after = after.enter(Health.UP, at, "no evidence of failures is left")
        self._detector.accept(after)
        changed = state_machine.transition(before, after, parameters)
        if changed is None:
            return ()
        value, needed = traffic.stream.value, traffic.bounds.corroborated
        return (replace(changed, evidence=value, threshold=needed),)

    def _condemn(
        self, traffic: TargetTraffic, target: str, at: datetime, parameters: TargetParameters
    ) -> tuple[Transition, ...]:
        counted = traffic.excursion
        evidence = Evidence(
            value=traffic.stream.fresh,
            failures=counted.failed.total(),
            probes=counted.failed.total() + counted.answered,
            since=traffic.stream.since,
            outcomes=dict(counted.failed),
        )
        reason, needed = self._reason(traffic, at, parameters, conclusive=True), traffic.bounds.fresh
        self._detector.accept(self._detector.state_of(target).replace(reported=""))
        traffic.clear()
        return self._detector.mark_down((target,), at, reason, evidence, needed)

    def _reason(self, traffic: TargetTraffic, at: datetime, parameters: TargetParameters, *, conclusive: bool) -> str:
        counted, stream = traffic.excursion, traffic.stream
        failed = counted.failed.total()
        value, needed = (
            (stream.fresh, traffic.bounds.fresh) if conclusive else (stream.value, traffic.bounds.corroborated)
        )
        probes = counted.probes_failed + counted.probes_answered
        return reasons.reported_failures(
            failed,
            failed + counted.answered,
            hosts=plural(len(counted.failing), "host"),
            seconds=(at - stream.since).total_seconds() if stream.since else 0.0,
            outcomes=counted.failed,
            probes=(counted.probes_failed, probes) if counted.probes_failed else None,
            weight=reasons.evidence_and_threshold(value, needed, p0=traffic.bounds.p0, p1=parameters.p1),
        )

    def _pseudo_probe(self, counts: RequestCounts) -> Observation:
        """The most frequent failure as a probe that would have ended with the counts."""
        failed = counts.failed
        outcome = max(failed, key=failed.__getitem__) if failed else Outcome.OK
        return Observation(target=counts.target, check="", started_at=counts.ended_at, outcome=outcome, duration_s=0.0)
