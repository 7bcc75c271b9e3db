"""The course of a scene: quiet, its steps, after; each part ends when what it waits for has happened."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from hotspare_client import Routing

from controller.demo import narration
from controller.demo.fake_slack import FakeSlack
from controller.demo.files import PROBE_INTERVAL_S, ROUTE
from controller.demo.narration import Line, NarrationBuilder, ServiceSnapshot, Summary, percent
from controller.demo.providers import CANDIDATES, TARGETS, Fault
from controller.demo.scenes import Awaited, Scene, Step
from controller.demo.screen import Screen
from controller.demo.traffic import DrillPhase, Traffic
from controller.demo.world import World
from controller.journal import Journal
from controller.service.child_processes import Processes
from controller.status.overview import Overview
from monitor.clock import utc_now
from monitor.storage.store import Store

_IN_FLIGHT_S = 0.1
"""Answers that the provider began before it recovered have arrived by then."""
_QUIET_S = 15.0
_AFTER_S = 8.0
_OVER_WITHIN_S = 20.0
"""How much longer the recovery of the provider's other model and the messages to Slack may take."""
_TICK_S = 0.02
_POLL_S, _PAGE_S = 0.25, 1.0
_MAX_TRANSITIONS = 1000


@dataclass(eq=False, kw_only=True)
class Drill:
    """A scene; with all that takes part in it, running."""

    scene: Scene
    world: World
    slack: FakeSlack
    processes: Processes
    traffic: Traffic
    routing: Routing
    store: Store
    """For reading only, like the journal."""
    journal: Journal
    page: Callable[[datetime], Overview]
    """What the page says at this time; raises DatabaseError."""
    screen: Screen

    def __post_init__(self) -> None:
        self._began_at = utc_now()
        self._facts = ServiceSnapshot(at=self._began_at)
        self._polled_s, self._page_read_s = -_POLL_S, -_PAGE_S
        self._narrator = NarrationBuilder()
        self._versions_reported = {message.ts: len(message.versions) for message in self.slack.everything}
        self._slack_delivered = 0
        self._served_s = 0.0

    async def run(self) -> Summary:
        """Play the scene; raises ChildEndedError, or DatabaseError when the database cannot be read."""
        self.traffic.reset()
        await self.wait(_QUIET_S)
        began_s, flip_s, return_s, missed = time.monotonic(), None, None, None
        for step in self.scene.steps:
            after_s = await self._play(step)
            if after_s is None:
                missed = step.awaited
                self._change_world({})
                break
            if step.awaited is Awaited.SERVED and flip_s is None:
                flip_s = self._served_s - began_s
            return_s = after_s if step.awaited is Awaited.HOME else None
        await self.wait(_AFTER_S)
        await self._until(self._is_over, within_s=_OVER_WITHIN_S)
        summary = Summary(
            scene=self.scene.name,
            probe_interval_s=PROBE_INTERVAL_S,
            time_to_flip_s=flip_s,
            time_to_return_s=return_s,
            slack_delivered=self._slack_delivered,
            slack_undelivered=self._facts.undelivered_incidents,
            failed_share=self.traffic.failed_shares,
            missed=missed,
        )
        self.screen.say(*narration.drill_result(utc_now(), summary))
        return summary

    async def wait(self, seconds: float) -> None:
        """Wait, saying what is new."""
        await self._until(lambda: False, within_s=seconds)

    async def _play(self, step: Step) -> float | None:
        """Return the seconds until what the step waits for had come; None when it did not in time."""
        at = utc_now()
        self._change_world(step.faults)
        if step.faults:
            self._narrator.begin_outage([target for target in TARGETS if target.partition("/")[0] in step.faults], at)
        self.screen.say(Line(at, "outage", step.text, good=not step.faults))
        after_s = await self._until(partial(self._has_come, step), within_s=step.within_s)
        self._served_s = time.monotonic()
        target = self.routing.route(ROUTE)
        if after_s is None:
            return None
        if target and step.awaited is not Awaited.STUCK:
            self.screen.say(narration.route_moved(target, after_s=after_s, event=step.event, began_at=at))
        await self.wait(max(step.then_s, step.lasts_s - after_s))
        if step.faults:
            own, without = self.traffic.application.recent_failed_share, self.traffic.baseline.recent_failed_share
            recent = f"failed requests in the last 5 s: {percent(own)}, without failover {percent(without)}"
            self.screen.say(Line(utc_now(), "users", recent))
        return after_s

    def _change_world(self, faults: Mapping[str, Fault]) -> None:
        self.world.set_faults(faults)
        if faults:
            self.traffic.enter(DrillPhase.OUTAGE)
        else:
            asyncio.get_running_loop().call_later(_IN_FLIGHT_S, self.traffic.enter, DrillPhase.AFTER)

    def _has_come(self, step: Step) -> bool:
        target = self.routing.route(ROUTE)
        return step.is_over(target.id if target else None, stuck=self._facts.stuck)

    def _is_over(self) -> bool:
        """Whether at the last poll every incident was resolved, and Slack showed it."""
        return self._facts.open_incidents == self._facts.undelivered_incidents == 0

    async def _until(self, happened: Callable[[], bool], *, within_s: float) -> float | None:
        """Wait until it has happened and return the seconds that took; None after `within_s`. Says what is new."""
        began = time.monotonic()
        while not happened():
            if time.monotonic() - began >= within_s:
                return None
            if time.monotonic() - self._polled_s >= _POLL_S:
                await self._poll()
            await asyncio.sleep(_TICK_S)
        took_s = time.monotonic() - began
        await self._poll()
        return took_s

    async def _poll(self) -> None:
        self.processes.check()
        self._polled_s = time.monotonic()
        since = self._began_at
        self._facts = await asyncio.to_thread(
            read_facts, self.store, self.journal, targets=TARGETS, since=since, now=utc_now()
        )
        news = list(self._slack_news())
        self._slack_delivered += len(news)
        self.screen.say(*self._narrator.report(self._facts), *await self._page_news(), *news)
        serving = self.routing.route(ROUTE)
        self.screen.show(
            self._facts, self.traffic, targets=TARGETS, serving=serving.id if serving else None, first=CANDIDATES[0]
        )

    async def _page_news(self) -> list[Line]:
        if time.monotonic() - self._page_read_s < _PAGE_S:
            return []
        self._page_read_s = time.monotonic()
        return self._narrator.report_page(await asyncio.to_thread(self.page, utc_now()))

    def _slack_news(self) -> Iterator[Line]:
        """Every message, reply and edit that Slack has accepted since the last poll."""
        for message in self.slack.everything:
            reported = self._versions_reported.get(message.ts, 0)
            self._versions_reported[message.ts] = len(message.versions)
            for number, version in enumerate(message.versions[reported:], reported):
                reply = message.thread is not None
                yield narration.slack_message(utc_now(), version.text, edited=number > 0, reply=reply)


def read_facts(
    store: Store, journal: Journal, *, targets: Sequence[str], since: datetime, now: datetime
) -> ServiceSnapshot:
    """Read the facts of these targets since an instant; raises DatabaseError."""
    transitions = [each for each in store.transitions(limit=_MAX_TRANSITIONS) if each.at >= since]
    open_incidents = journal.open_incidents()
    return ServiceSnapshot(
        at=now,
        health={target: state.health for target, state in store.states().items()},
        observations={target: store.observations(target, after=since) for target in targets},
        transitions=transitions[::-1],
        open_incidents=len(open_incidents),
        stuck=any(route.stuck for incident in open_incidents for route in incident.routes),
        undelivered_incidents=journal.count_untold(),
    )
