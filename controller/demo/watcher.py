"""Polls everything that takes part in the drill and says what is new."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hotspare_client import Routing, Target

from controller.demo import narration
from controller.demo.fake_slack import FakeSlack
from controller.demo.files import ROUTE, candidates, targets
from controller.demo.narration import Line, NarrationBuilder, ServiceSnapshot
from controller.demo.processes import Processes
from controller.demo.screen import Screen
from controller.demo.traffic import Traffic
from controller.journal import Journal
from monitor.clock import utc_now
from monitor.storage.store import Store

_TICK_S = 0.02
_POLL_S = 0.25
_MAX_TRANSITIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Participants:
    """What takes part besides the simulated providers, all running."""

    slack: FakeSlack
    processes: Processes
    traffic: Traffic
    routing: Routing
    store: Store
    """For reading only, like the journal."""
    journal: Journal
    screen: Screen


class DrillWatcher:
    """The text and the table of one drill."""

    def __init__(self, parts: Participants, *, failing: str) -> None:
        """`failing` is the provider that will fail."""
        self._parts = parts
        self._began_at = utc_now()
        self._facts = ServiceSnapshot(at=self._began_at)
        self._polled_s = -_POLL_S
        self._narrator = NarrationBuilder(failing=[target for target in targets() if target.startswith(f"{failing}/")])
        self._versions_said = {message.ts: len(message.versions) for message in parts.slack.everything}
        self.slack_delivered = 0
        """Messages, replies and edits that Slack has accepted since the drill began, as of the last poll."""

    @property
    def serving(self) -> Target | None:
        """Where the routing file points right now."""
        return self._parts.routing.route(ROUTE)

    @property
    def is_over(self) -> bool:
        """At the last poll every incident was resolved, and Slack showed it."""
        return self._facts.open_incidents == self._facts.undelivered_incidents == 0

    @property
    def slack_undelivered(self) -> int:
        """Incidents whose latest revision Slack did not show at the last poll."""
        return self._facts.undelivered_incidents

    def say(self, *lines: Line) -> None:
        """Add lines to the timeline."""
        self._parts.screen.say(*lines)

    def outage_began(self, line: Line) -> None:
        """Say so; from now on failed probes and rising evidence are reported."""
        self._narrator.outage_began(line.at)
        self.say(line)

    async def until(self, happened: Callable[[], bool], *, within_s: float) -> float | None:
        """Wait until it has happened and return the seconds that took; None after `within_s`.

        Says meanwhile what is new. Raises DemoError when a process has ended, DatabaseError when the database cannot
        be read.
        """
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

    async def wait(self, seconds: float) -> None:
        """Wait, saying what is new."""
        await self.until(lambda: False, within_s=seconds)

    async def _poll(self) -> None:
        parts = self._parts
        parts.processes.check()
        self._polled_s = time.monotonic()
        self._facts = await asyncio.to_thread(
            read_facts,
            parts.store,
            parts.journal,
            targets=targets(),
            since=self._began_at,
            now=utc_now(),
        )
        self.say(*self._narrator.report(self._facts), *self._slack_news())
        serving = self.serving
        parts.screen.show(
            self._facts,
            parts.traffic,
            targets=targets(),
            serving=serving.id if serving else None,
            first=candidates()[0],
        )

    def _slack_news(self) -> list[Line]:
        lines = []
        for message in self._parts.slack.everything:
            said = self._versions_said.get(message.ts, 0)
            self._versions_said[message.ts] = len(message.versions)
            for number, version in enumerate(message.versions[said:], said):
                reply = message.thread is not None
                lines.append(narration.slack_message(utc_now(), version.text, edited=number > 0, reply=reply))
        self.slack_delivered += len(lines)
        return lines


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
