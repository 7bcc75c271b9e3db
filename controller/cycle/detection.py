"""Judges observations and stores the result, so that a restarted service goes on where the last one stopped."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.cycle.deferred_states import DeferredStates, provider_of
from controller.cycle.held_observations import HeldObservations
from controller.routing.published_state import NOTHING_PUBLISHED, PublishedState
from monitor.config.settings import Settings
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.detection import hold, provider_pool, target_state
from monitor.detection.detector import Detector
from monitor.detection.detector_state import DetectorState
from monitor.detection.fresh_tests import TESTED_WITHIN
from monitor.detection.notices import NoticeFilter, TargetNotice
from monitor.detection.pacing import BurstProbe
from monitor.detection.quiet_progress import progress_of, read_state
from monitor.detection.target_state import TargetState
from monitor.detection.traffic_detector import TrafficDetector
from monitor.detection.verdict_text import plain_reason
from monitor.health import FAILING, UNHEALTHY, Health, Transition
from monitor.storage.database import DatabaseError
from monitor.storage.held_file import HeldFile, longest_hold
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import NO_POOLS, Store
from monitor.traffic.answer_times import AnswerTimes
from monitor.traffic.request_counts import RequestCounts
from probes.observation import Observation, replaced
from probes.outcome import Effect, Outcome

log = logging.getLogger(__name__)

#: How far back observations are read for a target without a stored state: its whole history would delay the start by
#: minutes.
_REPLAYED_WITHOUT_STATE = timedelta(hours=1)
#: So many counts of applications wait at the most while nothing can be stored.
_MOST_REPORTS = 20_000


class StoredDetector:
    """A detector whose state is in the database. Not thread-safe.

    What stores raises DatabaseError when it could not; what is known of the targets is then as before.
    """

    def __init__(self, settings: Settings, store: Store, held: HeldFile | None = None) -> None:
        """With `held`, good answers of healthy targets wait for others, to be stored with them."""
        self._settings = settings
        self._store = store
        self._held = HeldObservations(held) if held else None
        self._deferred = DeferredStates()
        self.detector: Detector
        """From `resume` on."""
        self.traffic: TrafficDetector
        self.take_reports: Callable[[], Sequence[RequestCounts]] = tuple
        """What applications have reported since the last call."""
        self._reports: tuple[RequestCounts, ...] = ()
        """Those that no call of `take_in` has judged and stored yet."""
        self.answer_times: dict[str, AnswerTimes] = {}
        """How long answers take, by what applications report of targets without any evidence against them."""
        self._notices = NoticeFilter()
        self.resumed_probes: tuple[BurstProbe, ...] = ()
        """The extra probes that suspects deserve when the service begins."""
        self._judged: frozenset[Observation] = frozenset()
        """The observations of the last call: handed in again, they are not counted again."""
        self._not_watched: frozenset[str] = frozenset()
        self._not_watched_reason = ""

    def begin(self, published: PublishedState, now: datetime) -> None:
        """Begin without the database: nothing is known but what the routing file says."""
        self._begin(Detector(self._settings, now))
        self._take_from_file(published, now)

    def resume(self, now: datetime, published: PublishedState = NOTHING_PUBLISHED) -> None:
        """Load the stored state, and judge what was stored after it.

        A target that the routing file calls unhealthy, and the database does not know to be, is so.
        """
        if self._held:
            self._store.record(self._held.read())
            self._held.take_all()
        detector, notices = Detector(self._settings, now), NoticeFilter(self._store.notices())
        detector.restore(stored_state(self._store, detector.health))
        self._begin(detector)
        self._notices = notices
        self._take_from_file(published, now)
        states, longest = self.detector.snapshot().targets, now - _REPLAYED_WITHOUT_STATE
        unjudged = self._store.observations_since({name: at.last_started_at or longest for name, at in states.items()})
        unjudged.sort(key=lambda observation: observation.finished_at)
        self._judge(unjudged, self._blind(unjudged, now), now)
        self._keep_answered_as(states)
        self._ask_again(now)

    def _keep_answered_as(self, stored: Mapping[str, TargetState]) -> None:
        """The former service asked what was just read: perhaps by other settings than these."""
        present = self.detector.snapshot()
        kept = {
            name: present.targets[name].replace(answered_as=before.answered_as)
            for name, before in stored.items()
            if before.answered_as and present.targets[name].answered_as != before.answered_as
        }
        if kept:
            self.detector.restore(replace(present, targets={**present.targets, **kept}))

    def _begin(self, detector: Detector) -> None:
        self.detector, self.traffic = detector, TrafficDetector(self._settings, detector)
        self._deferred = DeferredStates()

    def _ask_again(self, now: datetime) -> None:
        """Begin the tests on fresh evidence anew that the restart has ended, by the last failure of each suspect."""
        for target, health in self.detector.health.items():
            if health.health is not Health.SUSPECT:
                continue
            recent = self._store.observations(target, after=now - TESTED_WITHIN)
            failures = [each for each in recent if each.outcome.effect is Effect.DOWN and not each.failed_here]
            if failures:
                began_at = now - timedelta(seconds=failures[-1].duration_s)
                self.detector.ask_afresh(replaced(failures[-1], started_at=began_at, afresh=False))
                self.resumed_probes += self.detector.burst_probes(target)

    def take_in(
        self, observations: Sequence[Observation], now: datetime, blind: Collection[Observation]
    ) -> list[Transition]:
        """Store the observations, judge them and the time that has passed, store the resulting health.

        `blind` are those made while our own network was down: they are stored as failed on this side.
        """
        ended = [new for new in observations if not new.under_way]
        self._record([replaced(new, failed_here=True) if new in blind else new for new in ended], now)
        self._report_notices(observations, now)
        unjudged = [new for new in observations if new not in self._judged]
        self._reports = (*self._reports, *self.take_reports())[-_MOST_REPORTS:]
        transitions = self._judge(unjudged, blind, now, self._reports)
        self._judged = frozenset(observations)
        if self._held and transitions:
            self._store.record(self._held.take_of({provider_of(made.target) for made in transitions}))
        self._learn_times(self._reports)
        self._reports = ()
        for made in transitions:
            level = logging.WARNING if made.after in FAILING else logging.INFO
            log.log(level, "health_changed before=%s after=%s: %s", made.before, made.after, plain_reason(made.reason))
        return transitions

    def _record(self, observations: Sequence[Observation], now: datetime) -> None:
        """Store them and what has waited long enough; good answers of targets without evidence against them wait."""
        held, at_once = self._held, list(observations)
        if held is None:
            self._store.record(at_once)
            return
        good = [new for new in observations if self._may_wait(new)]
        if good and held.add(good, now):
            at_once = [new for new in observations if not self._may_wait(new)]
        waited = held.take_of({provider_of(new.target) for new in at_once})
        waited += held.take_due(now, longest_hold(len(self._settings.targets)))
        try:
            self._store.record([*waited, *at_once])
        except DatabaseError:
            held.put_back(waited)
            raise

    def _may_wait(self, observation: Observation) -> bool:
        target = observation.target
        if observation.outcome is not Outcome.OK or observation.afresh or not self.detector.knows(target):
            return False
        return self.detector.state_of(target).no_evidence and self.detector.judges_alone(target)

    def _learn_times(self, reports: Sequence[RequestCounts]) -> None:
        for counts in reports:
            if self.traffic.is_quiet(counts.target) and self.detector.state_of(counts.target).health is Health.UP:
                self.answer_times.setdefault(counts.target, AnswerTimes()).add(counts)

    def update_intervals(self, settings: Settings) -> None:
        """Judge the same targets at other intervals, with all that is known of them."""
        self._settings = settings
        self.detector.update_intervals(settings)

    def reconfigure(self, settings: Settings, now: datetime, *, unread: bool = False) -> None:
        """Judge the targets of other settings, those that stay with all that is known of them.

        Targets that come (back) have what is stored of them, unless the database is to stay `unread`: raises
        DatabaseError with nothing changed.
        """
        if not unread:
            self.save_all(now)
        known, detector = self.detector, Detector(settings, now)
        new = [] if unread else [target for target in detector.health if not known.knows(target)]
        detector.go_on_from(known, stored_state(self._store, new) if new else DetectorState(targets={}, providers={}))
        traffic = TrafficDetector(settings, detector)
        traffic.go_on_from(self.traffic)
        self._settings, self.detector, self.traffic = settings, detector, traffic
        self._deferred.forget_whole()

    def stop_watching(self, targets: Collection[str], reason: str) -> None:
        """These targets, and no others, are not probed: from the next call of `take_in` on their health is unknown."""
        self._not_watched, self._not_watched_reason = frozenset(targets), reason

    def burst_probes(self, observations: Sequence[Observation]) -> tuple[BurstProbe, ...]:
        """The extra probes that the targets just observed, or their providers, deserve."""
        observed = {observation.target for observation in observations} & self.detector.health.keys()
        bursts = [burst for target in sorted(observed) for burst in self.detector.burst_probes(target)]
        return (*bursts, *self.traffic.take_asked())

    def resume_late(self, now: datetime) -> None:
        """Load what could not be read at the start. Whoever is known to be failing by now is left so."""
        known = self.detector.snapshot().targets
        self.resume(now)
        stored = self.detector.snapshot().targets
        failing = {
            name: state
            for name, state in known.items()
            if state.health in UNHEALTHY and stored[name].health not in UNHEALTHY
        }
        self.detector.restore(replace(self.detector.snapshot(), targets={**stored, **failing}))

    def save_all(self, now: datetime) -> None:
        """Store what waits to be stored."""
        if self._held:
            self._store.record(self._held.take_all())
            self._held.forget_stored()
        self._save_states(self._deferred.take_all(), now)

    def write_all(self, now: datetime) -> None:
        """Store all that is known of every target and provider, for a database that does not know it."""
        states = [self._saved(target, now) for target in self.detector.health]
        pools = {name: provider_pool.to_json(pool) for name, pool in self.detector.snapshot().providers.items()}
        self._store.save_states(states, (), pools, at=now)

    def _take_from_file(self, published: PublishedState, now: datetime) -> None:
        """Believe the routing file where it is newer than what is known of a target."""
        snapshot = self.detector.snapshot()
        newer = {
            name: hold.begin(state.enter(health, now, "as the routing file says; this database does not know it"), now)
            for name, health in published.unhealthy.items()
            if (state := snapshot.targets[name]).health not in UNHEALTHY
            and (state.health is Health.UNKNOWN or state.since <= published.written_at)
        }
        if newer:
            log.warning("health_taken_from_routing_file targets=%s", ",".join(sorted(newer)))
            self.detector.restore(replace(snapshot, targets={**snapshot.targets, **newer}))

    def _blind(self, unjudged: Sequence[Observation], now: datetime) -> frozenset[Observation]:
        """Those made while our own network was down, by what the neutral endpoints answered then; oldest first."""
        if not unjudged:
            return frozenset()
        answers = self._store.connectivity(after=unjudged[0].started_at - _REPLAYED_WITHOUT_STATE, before=now)
        settings = self._settings
        detector = NetworkLossDetector(settings.connectivity.endpoints, frozenset(p.name for p in settings.providers))
        return frozenset(observation for observation, blind in detector.replay(unjudged, answers) if blind)

    def _report_notices(self, observations: Sequence[Observation], now: datetime) -> None:
        """Tell people once which other model answers for a target, and that its model will be retired."""
        for observation in observations:
            for notice in self._notices.due_of_models(observation, now):
                self._store.add_event(notice.at, notice.kind, notice.target, notice.text, notify=True)
                self._log_as_reported(notice)

    def _log_as_reported(self, notice: TargetNotice) -> None:
        log.warning("%s target=%s: %s", notice.kind, notice.target, notice.text)
        self._notices.mark_reported(notice)

    def _judge(
        self,
        observations: Sequence[Observation],
        blind: Collection[Observation],
        now: datetime,
        reports: Sequence[RequestCounts] = (),
    ) -> list[Transition]:
        """Judge by these and by the time, and store what has changed; or nothing, when that fails."""
        self.detector.records.mark(self.detector.fresh.snapshot())
        traffic = self.traffic.snapshot()
        transitions: list[Transition] = []
        # Of checks other than chat: no outage of anybody's, so no incident reports them.
        notices: list[TargetNotice] = []
        for observation in observations:
            transitions += self.detector.observe(observation, blind=observation in blind)
            transitions += self.traffic.observe_probe(observation, blind=observation in blind)
            if self.detector.knows(observation.target):
                state = self.detector.state_of(observation.target)
                notices += self._notices.due_of_checks(observation, state, now)
                notices += self._notices.due_of_background(state, now)
        notices += self._notices.due_of_machine(now)
        transitions += self.traffic.observe(reports)
        for target, host in self.traffic.take_denied():
            log.warning("traffic_not_confirmed target=%s: what %s reports is not used for a while", target, host)
        for target in sorted(self._not_watched):
            transitions += self.detector.stop_watching(target, now, self._not_watched_reason)
        transitions += self.detector.tick(now)
        try:
            self._save(transitions, notices, now)
        except DatabaseError:
            self.detector.undo()
            self.traffic.restore(traffic)
            raise
        for notice in notices:
            self._log_as_reported(notice)
        return transitions

    def _save(self, transitions: Sequence[Transition], notices: Sequence[TargetNotice], now: datetime) -> None:
        former, due = self.detector.records.former, self._deferred.take_due(self.detector, now)
        pools = {name: provider_pool.to_json(self.detector.records.pools[name]) for name in former.providers}
        self._save_states(due, now, transitions, pools, notices)

    def _save_states(
        self,
        due: tuple[Sequence[str], Sequence[str]],
        now: datetime,
        transitions: Sequence[Transition] = (),
        pools: Mapping[str, str] = NO_POOLS,
        notices: Sequence[TargetNotice] = (),
    ) -> None:
        """Store the states of targets, and of others their progress; when that fails, they wait again."""
        whole, progress = due
        states = [self._saved(target, now) for target in whole]
        try:
            if not self._store.save_progress([progress_of(self.detector.state_of(target), now) for target in progress]):
                self._deferred.put_back((), progress, now)
            self._store.save_states(states, transitions, pools, at=now, notices=notices)
        except DatabaseError:
            self._deferred.put_back(whole, progress, now)
            raise

    def _saved(self, target: str, now: datetime) -> SavedTargetState:
        record = target_state.to_json(self.detector.state_of(target))
        return SavedTargetState(health=self.detector.health_of(target), at=now, record=record)


def stored_state(store: Store, targets: Collection[str]) -> DetectorState:
    """What is stored of these targets, and of all providers; raises DatabaseError."""
    saved = {name: state for name, state in store.states().items() if name in targets}
    states = {name: read_state(state.record, state.progress) for name, state in saved.items()}
    return DetectorState(
        targets={name: state for name, state in states.items() if state},
        providers={provider: provider_pool.from_json(text) for provider, text in store.pools().items()},
    )
