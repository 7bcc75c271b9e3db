"""Looks at everything that takes part in the drill, again and again, and tells what is new."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from hotspare_client import Routing, Target

from controller.demo import facts, narrator
from controller.demo.facts import DrillFacts
from controller.demo.fake_slack import FakeSlack
from controller.demo.narrator import Line, Narrator
from controller.demo.processes import Processes
from controller.demo.screen import Screen, View
from controller.demo.stage import ROUTE, candidates, targets
from controller.demo.traffic import Traffic
from controller.journal import Journal
from monitor.clock import utc_now
from monitor.storage.store import Store

_TICK_S = 0.02
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What takes part besides the simulated providers, all of it running."""

    slack: FakeSlack
    processes: Processes
    traffic: Traffic
    routing: Routing
    store: Store
    """For reading only, like the journal: both are the service's."""
    journal: Journal
    screen: Screen


class Commentary:
    """What is said and shown during one drill."""

    def __init__(self, scene: Scene, *, failing: str) -> None:
        """`failing` is the provider that is going to fail."""
        self._scene = scene
        self._began_at = utc_now()
        self._facts = DrillFacts(at=self._began_at)
        self._looked = -_LOOK_S
        self._narrator = Narrator(failing=[target for target in targets() if target.startswith(f"{failing}/")])
        self._versions_told = {message.ts: len(message.versions) for message in scene.slack.everything}
        self.slack_delivered = 0
        """Messages, replies and edits that Slack has taken since the drill began, as of the last look."""

    @property
    def serving(self) -> Target | None:
        """Where the routing file points right now."""
        return self._scene.routing.route(ROUTE)

    @property
    def is_over(self) -> bool:
        """Every incident was resolved at the last look, and Slack showed it."""
        return self._facts.open_incidents == self._facts.untold_incidents == 0

    @property
    def slack_undelivered(self) -> int:
        """Incidents whose last word Slack did not show at the last look."""
        return self._facts.untold_incidents

    def say(self, *lines: Line) -> None:
        """Add lines to the timeline."""
        self._scene.screen.say(*lines)

    def outage_began(self, line: Line) -> None:
        """Say so; from now on failed probes and rising evidence are news."""
        self._narrator.outage_began(line.at)
        self.say(line)

    async def until(self, happened: Callable[[], bool], *, within_s: float) -> float | None:
        """Wait, telling what is new, until it has happened: the seconds that took, or None when it was too long.

        Raises DemoError when a process has ended, DatabaseError when the database cannot be read.
        """
        began = time.monotonic()
        while not happened():
            if time.monotonic() - began >= within_s:
                return None
            if time.monotonic() - self._looked >= _LOOK_S:
                await self._look()
            await asyncio.sleep(_TICK_S)
        took_s = time.monotonic() - began
        await self._look()
        return took_s

    async def wait(self, seconds: float) -> None:
        """Let time pass, telling what is new."""
        await self.until(lambda: False, within_s=seconds)

    async def _look(self) -> None:
        scene = self._scene
        scene.processes.check()
        self._looked = time.monotonic()
        self._facts = await asyncio.to_thread(
            facts.read, scene.store, scene.journal, targets=targets(), since=self._began_at, now=utc_now()
        )
        self.say(*self._narrator.tell(self._facts), *self._slack_news())
        serving = self.serving
        scene.screen.show(
            View(
                facts=self._facts,
                targets=targets(),
                serving=serving.id if serving else None,
                first=candidates()[0],
                traffic=scene.traffic,
            )
        )

    def _slack_news(self) -> list[Line]:
        lines = []
        for message in self._scene.slack.everything:
            told = self._versions_told.get(message.ts, 0)
            self._versions_told[message.ts] = len(message.versions)
            for number, version in enumerate(message.versions[told:], told):
                reply = message.thread is not None
                lines.append(narrator.slack_told(utc_now(), version.text, edited=number > 0, reply=reply))
        self.slack_delivered += len(lines)
        return lines
