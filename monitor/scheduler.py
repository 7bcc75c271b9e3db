"""Executes the pacing with APScheduler: every target at its interval and phase, extra probes when asked for."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from monitor.detection.pacing import context_due, phases
from probes.context_check import CONTEXT
from probes.target import Target

log = logging.getLogger(__name__)

_WHY = {
    EVENT_JOB_MAX_INSTANCES: "the previous probe of this target was still under way",
    EVENT_JOB_ERROR: "the probe itself failed to run",
}


class _SkippingTrigger(IntervalTrigger):  # type: ignore[misc]
    """An interval trigger that leaves out what a clock set forward has made late.

    APScheduler walks through every missed run, 17 million of them for 400 days at two seconds.
    """

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next run; of those before `now` only the last."""
        following: datetime | None = super().get_next_fire_time(previous_fire_time, now)
        if previous_fire_time is None or following is None or following >= now:
            return following
        missed: timedelta = (now - following) // self.interval * self.interval
        return following + missed


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
        self._running: dict[str, asyncio.Task[None]] = {}
        self._beside: set[asyncio.Task[None]] = set()
        """Probes that are made whatever else their target is asked."""
        # No grace time: a probe that is a little late is still wanted. No jitter: it lengthens the period.
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_listener(self._did_not_happen, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)

    def start(self, now: datetime) -> None:
        """Begin: the first probes are due at once, the targets of a provider evenly over their interval."""
        self._plan(now)
        self._scheduler.start()

    def replan(self, now: datetime) -> None:
        """Begin anew, for a clock that was set: what was planned by the old one may be an hour away."""
        self._scheduler.remove_all_jobs()
        self._plan(now)

    def pause(self) -> None:
        """Begin no probe until `resume`."""
        self._scheduler.pause()

    def resume(self) -> None:
        """Go on; what has become due meanwhile is made now."""
        self._scheduler.resume()

    def update(self, targets: Sequence[Target], now: datetime) -> None:
        """Ask these targets from now on; those that were asked before, and whose interval stays, keep their times.

        Nobody waits for longer than the longer one of its two intervals. New ones are asked as at the start; probes of
        others that are under way go on.
        """
        due, asked_context = phases(targets), {each.id: each.context_check for each in self._targets.values()}
        for gone in self._targets.keys() - due.keys():
            del self._targets[gone]
            self._remove(gone)
            self._remove(f"{gone} {CONTEXT}")
        for target in targets:
            before = self._targets.get(target.id)
            self._targets[target.id] = target
            job = self._scheduler.get_job(target.id)
            if before is None:
                self._asked.setdefault(target.id, 0)
                self._add(target, now + timedelta(seconds=due[target.id]))
                continue
            if job is None or target.interval_s == before.interval_s:
                continue
            waits = timedelta(seconds=max(0.0, target.interval_s - before.interval_s))
            self._add(target, min(now + timedelta(seconds=due[target.id]), job.next_run_time + waits))
        changed = [each for each in targets if each.context_check != asked_context.get(each.id)]
        for target in changed:
            self._remove(f"{target.id} {CONTEXT}")
        self._plan_context(changed, now)

    def _remove(self, job_id: str) -> None:
        if job := self._scheduler.get_job(job_id):
            job.remove()

    def _plan(self, now: datetime) -> None:
        targets = tuple(self._targets.values())
        for target_id, phase_s in phases(targets).items():
            self._add(self._targets[target_id], now + timedelta(seconds=phase_s))
        self._plan_context(targets, now)

    def _plan_context(self, targets: Sequence[Target], now: datetime) -> None:
        for target_id, first in context_due(targets, now).items():
            if check := self._targets[target_id].context_check:
                trigger = _SkippingTrigger(seconds=check.every_s, start_date=first, timezone=UTC)
                self._scheduler.add_job(
                    self._context, trigger, args=[target_id], id=f"{target_id} {CONTEXT}", replace_existing=True
                )

    def _add(self, target: Target, first: datetime) -> None:
        trigger = _SkippingTrigger(seconds=target.interval_s, start_date=first, timezone=UTC)
        # Without a time of its own, a first run that is due by now would wait a whole interval.
        self._scheduler.add_job(
            self._due, trigger, args=[target.id], id=target.id, next_run_time=first, replace_existing=True
        )

    def add_burst_probe(self, slot: str, target_ids: Sequence[str], at: datetime, *, afresh: bool = False) -> None:
        """One extra probe at that time, instead of any that is planned in this slot.

        It asks the first of these targets that is not being asked then, and none when all of them are; `afresh`: the
        first one, whatever it is being asked.
        """
        job, args = (self._afresh, [target_ids[0]]) if afresh else (self._extra, [target_ids])
        self._scheduler.add_job(
            job, DateTrigger(at, timezone=UTC), args=args, id=f"{slot} extra", replace_existing=True
        )

    def ask_context_again(self, target_id: str, at: datetime) -> None:
        """Ask the check `context` once at that time, beside its schedule."""
        self._scheduler.add_job(
            self._context,
            DateTrigger(at, timezone=UTC),
            args=[target_id],
            id=f"{target_id} {CONTEXT} again",
            replace_existing=True,
        )

    async def stop(self, patience_s: float) -> None:
        """Start nothing more; wait for the probes under way at most so long, then cancel them."""
        self._scheduler.pause()
        under_way = {*self._running.values(), *self._beside}
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._scheduler.shutdown(wait=False)

    async def _due(self, target_id: str) -> None:
        # An extra probe under way is as good as this one.
        if target_id not in self._running and target_id in self._targets:
            await self._ask(target_id)

    async def _extra(self, target_ids: Sequence[str]) -> None:
        target_id = next((each for each in target_ids if each in self._targets and each not in self._running), None)
        if target_id is not None:
            await self._ask(target_id)

    async def _ask(self, target_id: str) -> None:
        task = asyncio.ensure_future(self._probe(*self._next_check(target_id)))
        self._running[target_id] = task
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            del self._running[target_id]

    async def _afresh(self, target_id: str) -> None:
        if target_id in self._targets:
            await self._ask_beside(self._probe(*self._next_check(target_id), afresh=True))

    async def _context(self, target_id: str) -> None:
        target = self._targets.get(target_id)
        if target and target.context_check:
            await self._ask_beside(self._probe(target, CONTEXT))

    async def _ask_beside(self, probe: Awaitable[None]) -> None:
        task = asyncio.ensure_future(probe)
        self._beside.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            self._beside.remove(task)

    def _next_check(self, target_id: str) -> tuple[Target, str]:
        target = self._targets[target_id]
        self._asked[target_id] += 1
        return target, target.checks[(self._asked[target_id] - 1) % len(target.checks)]

    def _did_not_happen(self, event: JobEvent) -> None:
        error = getattr(event, "exception", None)
        if event.code == EVENT_JOB_ERROR:
            log.error("probe_failed_to_run job=%s", event.job_id, exc_info=error)
        if event.job_id in self._targets:
            self._skipped(event.job_id, _WHY[event.code])
