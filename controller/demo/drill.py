"""The course of the drill: quiet, outage, recovery, after; each part ends when what it waits for has happened."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from hotspare_client import Routing, Target

from controller.demo import narration
from controller.demo.fake_slack import FakeSlack
from controller.demo.files import CANDIDATES, PROBE_INTERVAL_S, ROUTE, TARGETS
from controller.demo.narration import Line, NarrationBuilder, ServiceSnapshot, Summary, percent
from controller.demo.processes import Processes
from controller.demo.screen import Screen
from controller.demo.traffic import DrillPhase, Traffic
from controller.demo.world import PROVIDERS, World
from controller.journal import Journal
from monitor.clock import utc_now
from monitor.storage.store import Store

_FAILING = PROVIDERS[0].name
_FAILING_SHARE = 0.5
_IN_FLIGHT_S = 0.1
"""Answers that the provider began before it recovered have arrived by then."""
_QUIET_S = 15.0
_SHORTEST_OUTAGE_S = 26.0
_AFTER_FLIP_S = 14.0
"""How much longer the outage lasts once the route has left, to show that users are served."""
_FLIP_WITHIN_S = 20 * PROBE_INTERVAL_S
_RETURN_WITHIN_S = 60.0
_AFTER_S = 8.0
_OVER_WITHIN_S = 20.0
"""How much longer the recovery of the provider's other model and the messages to Slack may take."""
_TICK_S = 0.02
_POLL_S = 0.25
_MAX_TRANSITIONS = 1000


@dataclass(eq=False, kw_only=True)
class Drill:
    """One outage of the first candidate's provider, and the recovery from it; with all that takes part, running."""

    world: World
    slack: FakeSlack
    processes: Processes
    traffic: Traffic
    routing: Routing
    store: Store
    """For reading only, like the journal."""
    journal: Journal
    screen: Screen

    def __post_init__(self) -> None:
        self._began_at = utc_now()
        self._facts = ServiceSnapshot(at=self._began_at)
        self._polled_s = -_POLL_S
        self._narrator = NarrationBuilder(failing=[target for target in TARGETS if target.startswith(f"{_FAILING}/")])
        self._versions_reported = {message.ts: len(message.versions) for message in self.slack.everything}
        self._slack_delivered = 0

    async def run(self) -> Summary:
        """Run all parts; raises DemoError when a process ends, DatabaseError when the database cannot be read."""
        self.traffic.reset()
        await self.wait(_QUIET_S)
        flip_s = await self._outage()
        return_s = None
        if flip_s is not None:
            return_s = await self._moved(
                lambda target: target.id == CANDIDATES[0], "the outage ended", _RETURN_WITHIN_S
            )
        await self.wait(_AFTER_S)
        await self._until(self._is_over, within_s=_OVER_WITHIN_S)
        summary = Summary(
            probe_interval_s=PROBE_INTERVAL_S,
            time_to_flip_s=flip_s,
            time_to_return_s=return_s,
            slack_delivered=self._slack_delivered,
            slack_undelivered=self._facts.undelivered_incidents,
            failed_share=self.traffic.failed_shares,
        )
        self.screen.say(*narration.drill_result(utc_now(), summary))
        return summary

    async def wait(self, seconds: float) -> None:
        """Wait, saying what is new."""
        await self._until(lambda: False, within_s=seconds)

    async def _outage(self) -> float | None:
        """Return the seconds until the route left the failing provider; None when it did not in time."""
        self.traffic.enter(DrillPhase.OUTAGE)
        self.world.fail(_FAILING, share=_FAILING_SHARE)
        self._narrator.outage_at = utc_now()
        begins = f"{_FAILING} begins to answer {_FAILING_SHARE:.0%} of all requests with HTTP 500"
        self.screen.say(Line(self._narrator.outage_at, "outage", begins, good=False))
        flip_s = await self._moved(lambda target: target.provider != _FAILING, "the outage began", _FLIP_WITHIN_S)
        if flip_s is not None:
            await self.wait(max(_AFTER_FLIP_S, _SHORTEST_OUTAGE_S - flip_s))
            own, without = self.traffic.application.recent_failed_share, self.traffic.baseline.recent_failed_share
            recent = f"failed requests in the last 5 s: {percent(own)}, without failover {percent(without)}"
            self.screen.say(Line(utc_now(), "users", recent))
        self.world.heal(_FAILING)
        asyncio.get_running_loop().call_later(_IN_FLIGHT_S, self.traffic.enter, DrillPhase.AFTER)
        healed = f"{_FAILING} is well again and answers everything"
        self.screen.say(Line(utc_now(), "outage", healed, good=True))
        return flip_s

    async def _moved(self, is_there: Callable[[Target], bool], event: str, within_s: float) -> float | None:
        """Return the seconds until the routing file pointed where it should; None when it did not in time."""

        def has_moved() -> bool:
            target = self.routing.route(ROUTE)
            return target is not None and is_there(target)

        after_s = await self._until(has_moved, within_s=within_s)
        target = self.routing.route(ROUTE)
        if after_s is not None and target:
            self.screen.say(narration.route_moved(target, after_s=after_s, event=event))
        return after_s

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
        self.screen.say(*self._narrator.report(self._facts), *news)
        serving = self.routing.route(ROUTE)
        self.screen.show(
            self._facts, self.traffic, targets=TARGETS, serving=serving.id if serving else None, first=CANDIDATES[0]
        )

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
    return ServiceSnapshot(
        at=now,
        health={target: state.health for target, state in store.states().items()},
        observations={target: store.observations(target, after=since) for target in targets},
        transitions=transitions[::-1],
        open_incidents=len(journal.open_incidents()),
        undelivered_incidents=journal.count_untold(),
    )
