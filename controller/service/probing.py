"""Makes the probes that are due, within the budget, and puts their observations into a queue."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from controller.alerts.service_health import ServiceHealth
from controller.routing.decision import Decision
from controller.routing.spend_where_used import spend_where_used
from controller.service.background import BackgroundRecorder
from controller.service.keyed_prober import KeyedProber
from monitor.budget import tracker as budget_tracker
from monitor.budget.allocation import month_of
from monitor.budget.tracker import BudgetTracker
from monitor.clock import utc_now
from monitor.config.settings import Settings
from monitor.detection import pacing
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe
from monitor.health import NO_VERDICT
from monitor.scheduler import ProbeScheduler
from monitor.storage.database import DatabaseError
from probes.context_check import CONTEXT
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from probes.pricing import usual_usd
from probes.target import Target

log = logging.getLogger(__name__)

_SKIPS_REPORTED_EVERY_S = 600.0
#: How often the budget is reviewed, and the shortest time between two reviews.
_REVIEW_S, _REVIEW_PAUSE_S = 60.0, 1.0
_APART_S = 0.003
#: After a check `context` has failed it is asked again, until people are told and from then on.
_CONTEXT_AGAIN, _CONTEXT_AGAIN_TOLD = timedelta(minutes=5), timedelta(hours=1)


class Detection(Protocol):
    """What is found of the targets."""

    detector: Detector
    resumed_probes: tuple[BurstProbe, ...]
    """Extra probes to begin with."""

    def stop_watching(self, targets: Collection[str], reason: str) -> None:
        """These targets are not probed."""


class Findings(Protocol):
    """What probing follows: the control cycle, or what a machine that only probes makes of what it sees."""

    @property
    def detection(self) -> Detection:
        """What is found of the targets."""

    @property
    def routes(self) -> Mapping[str, Decision]:
        """Where each stands, as far as is known."""

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the database."""

    def update_intervals(self, settings: Settings) -> None:
        """The targets are probed at other intervals from now on."""


@dataclass(kw_only=True)
class Probing:
    """Scheduled and extra probes of the targets that are monitored from here, from one event loop."""

    settings: Settings
    budget: BudgetTracker
    cycle: Findings
    """Hears, on the database's thread, what the budget changes."""
    prober: KeyedProber
    observations: asyncio.Queue[Observation | None]
    """Each observation is put here."""
    health: ServiceHealth
    recorder: BackgroundRecorder
    most_at_once: int
    """So many probes may be under way: as many as this process may have files open for."""
    on_observation: Callable[[Observation], None] = lambda _: None
    """Is told each as well; must return at once."""
    wall: Callable[[], datetime] = utc_now
    """This machine's clock, which the schedule goes by, whatever clock the observations have."""
    monitored_from: str = ""
    """The region of this machine; other regions' targets are probed by others."""
    _under_way: int = 0
    _skips: dict[str, tuple[float, int]] = field(default_factory=dict)
    """For each target when a skip was last reported (monotonic), and how many there have been since."""
    _begun_s: dict[str, float] = field(default_factory=dict)
    """For each target when its last probe began (monotonic)."""
    _review_now: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.schedule = ProbeScheduler(self._ours(self.settings), self._probe, self._skipped)
        self._learn_targets()
        self._paced = self._settings_by_use()
        self.schedule.update(self._ours(self._paced), self.wall())
        self.cycle.update_intervals(self._paced)

    def start(self) -> None:
        """Begin with the scheduled probes."""
        self.schedule.start(self.wall())
        self._probe_early()
        self.request(self.cycle.detection.resumed_probes)

    def reconfigure(self, settings: Settings, budget: BudgetTracker, prober: KeyedProber) -> None:
        """Go on with other settings, once the cycle has them. What is asked otherwise now is asked at once."""
        asked = {target.id: target for target in self.settings.targets}
        now, providers = self.wall(), {target.provider for target in self.settings.targets}
        prober.go_on_from(self.prober)
        self.settings, self.budget, self.prober = settings, budget, prober
        self._learn_targets()
        self._paced = budget.throttled_settings()
        self.schedule.update(self._ours(self._paced), now)
        for target in self._ours(settings):
            if target.id in asked and target.provider not in providers:
                self.schedule.add_burst_probe(target.id, (target.id,), now)
        self._review_now.set()

    def _learn_targets(self) -> None:
        self._names = {target.id for target in self._ours(self.settings)}
        spends = self.settings.controller.spend_where_used
        self._usual_usd = {target.id: usual_usd(target) for target in self.settings.targets if spends}

    def request(self, bursts: Iterable[BurstProbe]) -> None:
        """Make these extra probes as well, as far as the budget allows."""
        for burst in bursts:
            ours = [target for target in burst.targets if target in self._names]
            if ours and (granted := self.budget.grant_extra(ours, self.recorder.clock())):
                at = self.wall() + timedelta(seconds=burst.delay_s)
                self.schedule.add_burst_probe(burst.slot, granted, at, afresh=burst.afresh)
        if self.settings.controller.spend_where_used and self._settings_by_use().targets != self._paced.targets:
            self._review_now.set()

    async def watch_budget(self) -> None:
        """Review the budget once a minute, and at once when a target is exhausted or a route has moved, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._review_now.wait(), _REVIEW_S)
            await self._review_budget()
            await asyncio.sleep(_REVIEW_PAUSE_S)
            self._review_now.clear()

    async def _probe(self, target: Target, check: str, *, afresh: bool = False) -> None:
        """One probe, unless the provider has asked us to rest, or the budget is spent."""
        self.health.probed()
        if not self.cycle.detection.detector.knows(target.id):
            return  # removed in this very moment
        state = self.cycle.detection.detector.state_of(target.id)
        if pacing.is_resting(state, self.recorder.clock()) or (check == CONTEXT and state.health not in NO_VERDICT):
            return
        if self._lacks_files(target.id) or not self.budget.reserve_probe(target.id, self.recorder.clock()):
            return
        hang_s, watch = self.cycle.detection.detector.hang_s(target.id), None
        if afresh:
            target = replace(target, timeouts=replace(target.timeouts, total_s=min(hang_s, target.timeouts.total_s)))
        elif hang_s < math.inf and check != CONTEXT:
            hanging = partial(self._report_hanging, target.id, check, self.recorder.clock(), hang_s)
            watch = asyncio.get_running_loop().call_later(hang_s, hanging)
        await self._begin_apart(target.id)
        self._under_way += 1
        try:
            observation = await self.prober.probe(target, check)
        except BaseException:
            self.budget.release_probe(target.id)
            raise
        finally:
            self._under_way -= 1
            if watch:
                watch.cancel()
        if afresh:
            observation = replaced(observation, afresh=True)
        self.budget.add_cost(observation)
        if self.budget.is_newly_exhausted(target.id):
            self._review_now.set()
        if observation.outcome is not Outcome.OK:
            log.info(
                "probe_failed target=%s outcome=%s: %s", observation.target, observation.outcome, observation.detail
            )
            if check == CONTEXT:
                wait = _CONTEXT_AGAIN_TOLD if state.failing_context else _CONTEXT_AGAIN
                self.schedule.ask_context_again(target.id, self.wall() + wait)
        self.on_observation(observation)
        self.observations.put_nowait(observation)

    def _lacks_files(self, target_id: str) -> bool:
        """Whether so many probes are under way that this one must be skipped, which is reported."""
        lacks = self._under_way >= self.most_at_once
        if lacks:
            self._skipped(target_id, f"{self._under_way} probes are under way, and this process may open no more files")
        return lacks

    async def _begin_apart(self, target_id: str) -> None:
        """Wait until no other probe of this target began just now: two of one millisecond would be stored as one."""
        while (left_s := self._begun_s.get(target_id, -math.inf) + _APART_S - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)
        self._begun_s[target_id] = time.monotonic()

    def _report_hanging(self, target_id: str, check: str, started_at: datetime, hang_s: float) -> None:
        """Let the detector know that this probe takes longer than its target ever does; what it ends in comes later."""
        self.observations.put_nowait(
            Observation(
                target=target_id,
                check=check,
                started_at=started_at,
                outcome=Outcome.TIMEOUT,
                duration_s=hang_s,
                under_way=True,
            )
        )

    def _skipped(self, target_id: str, why: str) -> None:
        """Report the first skip of a target, then at most one in ten minutes, with the number of those in between."""
        reported_at, unreported = self._skips.get(target_id, (float("-inf"), 0))
        if time.monotonic() - reported_at < _SKIPS_REPORTED_EVERY_S:
            self._skips[target_id] = reported_at, unreported + 1
            return
        self._skips[target_id] = time.monotonic(), 0
        more = f"; {unreported} more since the last report" if unreported else ""
        self.recorder.event("probe_skipped", target_id, f"{why}{more}")

    def _probe_early(self) -> None:
        """Probe targets once early whose intervals are long or stretched, where nothing recent is known of them."""
        now, due_s = self.recorder.clock(), pacing.early_phases(self._ours(self.settings))
        for configured, paced in zip(self._ours(self.settings), self._ours(self._paced), strict=True):
            seen_at = self.cycle.detection.detector.state_of(paced.id).last_seen_at
            known = seen_at is not None and abs((now - seen_at).total_seconds()) < paced.interval_s
            if paced.interval_s > min(configured.interval_s, pacing.FIRST_WITHIN_S) and not known:
                self.schedule.add_burst_probe(paced.id, (paced.id,), self.wall() + timedelta(seconds=due_s[paced.id]))

    @property
    def paced(self) -> Sequence[Target]:
        """All targets, those of other regions too, with the intervals at which they are probed now."""
        return self._paced.targets

    def _ours(self, settings: Settings) -> Sequence[Target]:
        return [target for target in settings.targets if target.monitored_from == self.monitored_from]

    def _settings_by_use(self) -> Settings:
        """The settings with the intervals as the budget allows them, and as the routes stand now."""
        return spend_where_used(self.budget.throttled_settings(), self.cycle.routes, self._usual_usd)

    async def _learn_spent(self) -> None:
        """What this month has cost by the database: `hotspare compare` spends too, and after a start without a database
        there is what was spent before, once it holds all of that.
        """
        if self.settings.budget.usd_per_month is not None and not self.cycle.is_behind:
            now, was_unread = self.recorder.clock(), self.budget.is_unread
            with contextlib.suppress(DatabaseError):
                begins = month_of(now).begins
                spent = await self.recorder.database.run(self.recorder.store.spent, since=begins, until=now)
                self.budget.learn_spent(spent, begins)
                if was_unread:
                    log.info("spending_read_late: what was spent this month before the start counts from now on")

    async def _review_budget(self) -> None:
        """Set what the budget allows from now on, probe and judge accordingly, and record what has changed."""
        await self._learn_spent()
        before, events = self.budget.throttling, self.budget.review(self.recorder.clock())
        after, paced = self.budget.throttling, self._settings_by_use()
        if paced.targets != self._paced.targets:
            self._paced = paced
            self.schedule.update(self._ours(paced), self.wall())
            await self.recorder.database.run(self.cycle.update_intervals, paced)
        if after.stopped != before.stopped:
            await self.recorder.database.run(
                self.cycle.detection.stop_watching, after.stopped, self.budget.stop_reason()
            )
        for event in events:
            self.recorder.event(event.kind, "budget", event.text, notify=event.notify)
        # Last: when the service is killed in between, the next one repeats the events rather than losing them.
        if after != before:
            self.recorder.throttling(budget_tracker.to_json(after))
