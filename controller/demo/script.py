"""The course of the drill: quiet, outage, recovery, after; each part ends when what it waits for has happened."""

import asyncio

from controller.demo import narration
from controller.demo.files import PROBE_INTERVAL_S, candidates
from controller.demo.narration import Summary
from controller.demo.traffic import DrillPhase
from controller.demo.watcher import DrillWatcher, Participants
from controller.demo.world import World
from monitor.clock import utc_now

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


class Drill:
    """One outage of the first candidate's provider, and the recovery from it."""

    def __init__(self, world: World, parts: Participants) -> None:
        self._world = world
        self._traffic = parts.traffic
        self._first = candidates()[0]
        self._failing = self._first.partition("/")[0]
        self._commentary = DrillWatcher(parts, failing=self._failing)

    async def run(self) -> Summary:
        """Run all parts; raises DemoError when a process ends, DatabaseError when the database cannot be read."""
        self._traffic.reset()
        await self._commentary.wait(_QUIET_S)
        flip_s = await self._outage()
        return_s = None if flip_s is None else await self._recovery()
        await self._commentary.wait(_AFTER_S)
        await self._commentary.until(lambda: self._commentary.is_over, within_s=_OVER_WITHIN_S)
        summary = Summary(
            probe_interval_s=PROBE_INTERVAL_S,
            time_to_flip_s=flip_s,
            time_to_return_s=return_s,
            slack_delivered=self._commentary.slack_delivered,
            slack_undelivered=self._commentary.slack_undelivered,
            failed_share=self._traffic.failed_share,
        )
        self._commentary.say(
            narration.request_summary(utc_now(), summary.failed_share), *narration.drill_result(utc_now(), summary)
        )
        return summary

    async def idle(self, seconds: float) -> None:
        """Continue without an outage for a while."""
        await self._commentary.wait(seconds)

    async def _outage(self) -> float | None:
        """Return the seconds until the route left the failing provider; None when it did not in time."""
        self._traffic.enter(DrillPhase.OUTAGE)
        self._world.fail(self._failing, share=_FAILING_SHARE)
        self._commentary.outage_began(narration.outage_began(utc_now(), self._failing, _FAILING_SHARE))
        flip_s = await self._commentary.until(self._has_left, within_s=_FLIP_WITHIN_S)
        if flip_s is not None:
            self._say_moved(flip_s, "the outage began")
            await self._commentary.wait(max(_AFTER_FLIP_S, _SHORTEST_OUTAGE_S - flip_s))
            self._commentary.say(narration.recent_requests(utc_now(), self._traffic))
        self._world.heal(self._failing)
        asyncio.get_running_loop().call_later(_IN_FLIGHT_S, self._traffic.enter, DrillPhase.AFTER)
        self._commentary.say(narration.outage_ended(utc_now(), self._failing))
        return flip_s

    async def _recovery(self) -> float | None:
        """Return the seconds until the route was back at its first candidate; None when it was not in time."""
        return_s = await self._commentary.until(self._is_back, within_s=_RETURN_WITHIN_S)
        if return_s is not None:
            self._say_moved(return_s, "the outage ended")
        return return_s

    def _say_moved(self, after_s: float, event: str) -> None:
        target = self._commentary.serving
        if target:
            self._commentary.say(narration.route_moved(target, after_s=after_s, event=event))

    def _has_left(self) -> bool:
        target = self._commentary.serving
        return target is not None and target.provider != self._failing

    def _is_back(self) -> bool:
        target = self._commentary.serving
        return target is not None and target.id == self._first
