"""Executes the pacing with APScheduler: every target at its interval and phase, extra probes when asked for."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

from apscheduler.executors.debug import DebugExecutor
from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger

from monitor.detection.pacing import context_due, phases
from probes.context_check import CONTEXT
from probes.target import Target

log = logging.getLogger(__name__)


class _Every(BaseTrigger):  # type: ignore[misc]
    """Every interval from `first` on; of the runs that a clock set forward has made late only the last.

    APScheduler's own walks through every missed run, 17 million of them for 400 days at two seconds.
    """

    __slots__ = ("_first", "_interval")

    def __init__(self, interval_s: float, first: datetime) -> None:
        self._first, self._interval = first, timedelta(seconds=interval_s)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The run after that one; of those before `now` only the last."""
        if previous_fire_time is None:
            return self._first
        following = previous_fire_time + self._interval
        missed = max(0, (now - following) // self._interval)
        return following + missed * self._interval


class _Timetable(AsyncIOScheduler):  # type: ignore[misc]
    """Calls its jobs on the event loop on which it was started, and may be used there only."""

    def wakeup(self) -> None:
        """As APScheduler has it, which goes by a socket so that other threads may ask; that is dear for each probe."""
        self._stop_timer()
        self._start_timer(self._process_jobs())


class _AtOnce(DebugExecutor):  # type: ignore[misc]
    """Calls a job where it is due; that its probe is still under way is the job's to see, so nothing is counted."""

    def submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:  # noqa: ARG002 - APScheduler's signature
        """Call it; what it raises APScheduler logs."""
        job.func(*job.args)


class ProbeScheduler:
    """Calls `probe(target, check)` for each target when it is due, one at a time per target; its checks take turns.

    Beside them `probe(target, check, afresh=True)`, for extra probes that are asked afresh, and the check `context` on
    a schedule of its own.

    `skipped(target id, why)` is called when a scheduled probe did not happen.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        probe: Callable[..., Coroutine[None, None, None]],
        skipped: Callable[[str, str], None],
    ) -> None:
        self._targets = {target.id: target for target in targets}
        self._probe = probe
        self._skipped = skipped
        self._asked: dict[str, int] = dict.fromkeys(self._targets, 0)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._numbers = count()
        """The probes, by the job that has begun each."""
        self._running: set[str] = set()
        """The targets that are asked, but for what is asked beside."""
        # Of anything else than a partial, APScheduler keeps two texts for each job.
        self._run = partial(self._run_job)
        # No grace time: a probe that is a little late is still wanted. No jitter: it lengthens the period. A job only
        # begins its probe, and costs no task of its own.
        self._scheduler = _Timetable(
            timezone=UTC,
            executors={"default": _AtOnce()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

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
                self._plan_job(f"{target_id} {CONTEXT}", _Every(check.every_s, first), self._context, target_id)

    def _add(self, target: Target, first: datetime) -> None:
        self._plan_job(target.id, _Every(target.interval_s, first), self._due, target.id)

    def _plan_job(self, job_id: str, trigger: BaseTrigger, begin: Callable[..., None], *args: object) -> None:
        """Call `begin` with the job's id and these, in place of what that job did before."""
        self._scheduler.add_job(
            self._run, trigger, args=[job_id, begin, *args], id=job_id, name=job_id, replace_existing=True
        )

    def add_burst_probe(self, slot: str, target_ids: Sequence[str], at: datetime, *, afresh: bool = False) -> None:
        """One extra probe at that time, instead of any that is planned in this slot.

        It asks the first of these targets that is not being asked then, and none when all of them are; `afresh`: the
        first one, whatever it is being asked.
        """
        begin, asked = (self._afresh, target_ids[0]) if afresh else (self._extra, target_ids)
        self._plan_job(f"{slot} extra", DateTrigger(at, timezone=UTC), begin, asked)

    def ask_context_again(self, target_id: str, at: datetime) -> None:
        """Ask the check `context` once at that time, beside its schedule."""
        self._plan_job(f"{target_id} {CONTEXT} again", DateTrigger(at, timezone=UTC), self._context, target_id)

    async def stop(self, patience_s: float) -> None:
        """Start nothing more; wait for the probes under way at most so long, then cancel them."""
        self._scheduler.pause()
        under_way = set(self._under_way.values())
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._scheduler.shutdown(wait=False)

    def _run_job(self, job_id: str, begin: Callable[..., None], *args: object) -> None:
        """A job begins one probe at a time, but for those that ask afresh: each of them is evidence."""
        if job_id not in self._under_way or begin == self._afresh:
            begin(job_id, *args)
        elif job_id in self._targets:
            self._skipped(job_id, "the previous probe of this target was still under way")

    def _due(self, job_id: str, target_id: str) -> None:
        # An extra probe under way is as good as this one.
        if target_id in self._targets and target_id not in self._running:
            self._ask(job_id, target_id)

    def _extra(self, job_id: str, target_ids: Sequence[str]) -> None:
        target_id = next((each for each in target_ids if each in self._targets and each not in self._running), None)
        if target_id is not None:
            self._ask(job_id, target_id)

    def _afresh(self, job_id: str, target_id: str) -> None:
        if target_id in self._targets:
            begun = f"{job_id} {next(self._numbers)}"  # the former one may still be under way
            self._begin(begun, self._probe(*self._next_check(target_id), afresh=True))

    def _context(self, job_id: str, target_id: str) -> None:
        target = self._targets.get(target_id)
        if target and target.context_check:
            self._begin(job_id, self._probe(target, CONTEXT))

    def _ask(self, job_id: str, target_id: str) -> None:
        self._running.add(target_id)
        self._begin(job_id, self._probe(*self._next_check(target_id)), target_id)

    def _begin(self, job_id: str, probe: Coroutine[None, None, None], target_id: str | None = None) -> None:
        task = self._under_way[job_id] = asyncio.get_running_loop().create_task(probe)
        task.add_done_callback(partial(self._ended, job_id, target_id))

    def _ended(self, job_id: str, target_id: str | None, task: "asyncio.Task[None]") -> None:
        del self._under_way[job_id]
        if target_id is not None:
            self._running.discard(target_id)
        if not task.cancelled() and (error := task.exception()):
            log.error("probe_failed_to_run job=%s", job_id, exc_info=error)
            if job_id in self._targets:
                self._skipped(job_id, "the probe itself failed to run")

    def _next_check(self, target_id: str) -> tuple[Target, str]:
        target = self._targets[target_id]
        self._asked[target_id] += 1
        return target, target.checks[(self._asked[target_id] - 1) % len(target.checks)]
