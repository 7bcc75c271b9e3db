"""Executes the pacing: every target at its interval and phase, extra probes when asked for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from monitor.clock import utc_now
from monitor.detection.pacing import context_due, phases
from monitor.detection.timetable import Entry, Timetable
from probes.context_check import CONTEXT
from probes.target import Target

log = logging.getLogger(__name__)

_UNDER_WAY: Final = "the previous probe of this target was still under way"
_FAILED_TO_RUN: Final = "the probe itself failed to run"


class ProbeScheduler:
    """Calls `probe(target, check)` for each target when it is due, one at a time per target; its checks take turns.

    Beside them `probe(target, check, afresh=True)`, for extra probes that are asked afresh, and the check `context` on
    a schedule of its own.

    `skipped(target id, why)` is called when a scheduled probe did not happen.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        probe: Callable[..., Awaitable[None]],
        skipped: Callable[[str, str], None],
    ) -> None:
        self._targets = {target.id: target for target in targets}
        self._probe = probe
        self._skipped = skipped
        self._asked: dict[str, int] = dict.fromkeys(self._targets, 0)
        self._asking = set[str]()
        """The targets that are being asked; not those that are asked beside that."""
        self._timetable = Timetable()
        self._entries: dict[str, asyncio.Task[None]] = {}
        """What runs of the timetable, by name."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """That of `start`; None while nothing is to begin."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: datetime | None = None
        self._is_over = False

    def start(self, now: datetime) -> None:
        """Begin: the first probes are due at once, the targets of a provider evenly over their interval."""
        self._plan(now)
        self.resume()

    def replan(self, now: datetime) -> None:
        """Begin anew, for a clock that was set: what was planned by the old one may be an hour away."""
        self._timetable.clear()
        self._plan(now)

    def pause(self) -> None:
        """Begin no probe until `resume`."""
        self._loop = None
        self._set_timer()

    def resume(self) -> None:
        """Go on, unless it was stopped; what has become due meanwhile is made now."""
        self._loop = None if self._is_over else asyncio.get_running_loop()
        self._set_timer()

    def update(self, targets: Sequence[Target], now: datetime) -> None:
        """Ask these targets from now on; those that were asked before, and whose interval stays, keep their times.

        Nobody waits for longer than the longer one of its two intervals. New ones are asked as at the start; probes of
        others that are under way go on.
        """
        due, asked_context = phases(targets), {each.id: each.context_check for each in self._targets.values()}
        for gone in self._targets.keys() - due.keys():
            del self._targets[gone]
            self._timetable.remove(gone)
            self._timetable.remove(f"{gone} {CONTEXT}")
        for target in targets:
            before = self._targets.get(target.id)
            self._targets[target.id] = target
            planned = self._timetable.due_of(target.id)
            if before is None:
                self._asked.setdefault(target.id, 0)
                self._add(target, now + timedelta(seconds=due[target.id]))
                continue
            if planned is None or target.interval_s == before.interval_s:
                continue
            waits = timedelta(seconds=max(0.0, target.interval_s - before.interval_s))
            self._add(target, min(now + timedelta(seconds=due[target.id]), planned + waits))
        changed = [each for each in targets if each.context_check != asked_context.get(each.id)]
        for target in changed:
            self._timetable.remove(f"{target.id} {CONTEXT}")
        self._plan_context(changed, now)
        self._set_timer()

    def _plan(self, now: datetime) -> None:
        targets = tuple(self._targets.values())
        for target_id, phase_s in phases(targets).items():
            self._add(self._targets[target_id], now + timedelta(seconds=phase_s))
        self._plan_context(targets, now)
        self._set_timer()

    def _plan_context(self, targets: Sequence[Target], now: datetime) -> None:
        for target_id, first in context_due(targets, now).items():
            if check := self._targets[target_id].context_check:
                every = timedelta(seconds=check.every_s)
                self._timetable.plan(f"{target_id} {CONTEXT}", self._context, target_id, first, every)

    def _add(self, target: Target, first: datetime) -> None:
        self._timetable.plan(target.id, self._due, target.id, first, timedelta(seconds=target.interval_s))

    def add_burst_probe(self, slot: str, target_ids: Sequence[str], at: datetime, *, afresh: bool = False) -> None:
        """One extra probe at that time, instead of any that is planned in this slot.

        It asks the first of these targets that is not being asked then, and none when all of them are; `afresh`: the
        first one, whatever it is being asked.
        """
        if afresh:
            self._timetable.plan(f"{slot} extra", self._afresh, target_ids[0], at)
        else:
            self._timetable.plan(f"{slot} extra", self._extra, target_ids, at)
        self._set_timer()

    def ask_context_again(self, target_id: str, at: datetime) -> None:
        """Ask the check `context` once at that time, beside its schedule."""
        self._timetable.plan(f"{target_id} {CONTEXT} again", self._context, target_id, at)
        self._set_timer()

    async def stop(self, patience_s: float) -> None:
        """Start nothing more; wait for the probes under way at most so long, then cancel them."""
        self.pause()
        self._is_over = True
        under_way = set(self._entries.values())
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _set_timer(self) -> None:
        """Let `_run_due` be called when the next entry is due."""
        due = self._timetable.next_due if self._loop else None
        if due == self._timer_due and self._timer:
            return
        if self._timer:
            self._timer.cancel()
        self._timer, self._timer_due = None, due
        if self._loop and due:
            self._timer = self._loop.call_later(max(0.0, (due - utc_now()).total_seconds()), self._run_due)

    def _run_due(self) -> None:
        self._timer = None
        for entry in self._timetable.take_due(utc_now()):
            if entry.name not in self._entries:
                self._entries[entry.name] = asyncio.create_task(self._run(entry))
            elif entry.name in self._targets:
                self._skipped(entry.name, _UNDER_WAY)
        self._set_timer()

    async def _run(self, entry: Entry) -> None:
        try:
            await entry.run(entry.argument)
        except Exception:  # whatever is wrong with one probe, the others go on
            log.exception("probe_failed_to_run job=%s", entry.name)
            if entry.name in self._targets:
                self._skipped(entry.name, _FAILED_TO_RUN)
        finally:
            del self._entries[entry.name]

    async def _due(self, target_id: str) -> None:
        # An extra probe under way is as good as this one.
        if target_id not in self._asking and target_id in self._targets:
            await self._ask(target_id)

    async def _extra(self, target_ids: Sequence[str]) -> None:
        target_id = next((each for each in target_ids if each in self._targets and each not in self._asking), None)
        if target_id is not None:
            await self._ask(target_id)

    async def _ask(self, target_id: str) -> None:
        self._asking.add(target_id)
        try:
            await self._probe(*self._next_check(target_id))
        finally:
            self._asking.remove(target_id)

    async def _afresh(self, target_id: str) -> None:
        if target_id in self._targets:
            await self._probe(*self._next_check(target_id), afresh=True)

    async def _context(self, target_id: str) -> None:
        target = self._targets.get(target_id)
        if target and target.context_check:
            await self._probe(target, CONTEXT)

    def _next_check(self, target_id: str) -> tuple[Target, str]:
        target = self._targets[target_id]
        self._asked[target_id] += 1
        return target, target.checks[(self._asked[target_id] - 1) % len(target.checks)]
