"""Gives signs of life, sums up past hours, removes what is past its retention, and notices a clock that was set."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from math import isfinite
from typing import Final

from controller.history.store import RouteHistory
from controller.service.background import HOST, BackgroundRecorder
from controller.service.reloading import ConfigurationInForce
from monitor.clock import utc_now
from monitor.config.retention import RetentionSettings
from monitor.formatting import ago
from monitor.history.rollup import DAY, HOUR, MINUTE
from monitor.liveness import ServiceBeat
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

_VERSION: Final = version("hotspare")
_EVERY_S = 5.0
#: From round to round, as an hour of a target lies together on the disk, and from step to step; rows in each.
_PRUNED_EVERY_S, _PRUNED_AFTER_S, _PRUNED = 3600.0, 0.2, 1_000
#: A wall clock that moves by more than this against the monotonic one was set.
_CLOCK_STEP_S = 2.0
_CLOCK_EVERY_S = 0.5
_MINUTES_KEPT_S: Final = 14 * DAY.total_seconds()
_PRUNING_PAUSED: Final = "pruning_paused"
_KEPT: Final = "nothing is removed for a day"


def oldest_sums(kept: RetentionSettings, now: datetime) -> dict[timedelta, datetime]:
    """From when on sums are kept, by their span; without those that are kept for ever."""
    limits_s = {MINUTE: _MINUTES_KEPT_S, HOUR: kept.hour_s, DAY: kept.day_s}
    return {span: now - timedelta(seconds=limit_s) for span, limit_s in limits_s.items() if isfinite(limit_s)}


def pruning_begins(now: datetime, last_sign: datetime | None, paused_at: datetime | None) -> datetime:
    """From when on history is removed: a day after a clock that may be wrong by a year was met.

    `last_sign` is when the former service gave its last sign of life, `paused_at` when removing was paused last. What
    lies in the future is of a clock that has been set back since.
    """
    began = [paused_at] if paused_at and paused_at <= now else []
    if last_sign and now - last_sign > DAY:
        began.append(now)
    return max((at + DAY for at in began), default=now)


@dataclass(kw_only=True)
class Housekeeping:
    """What the service does besides probing and deciding."""

    retention: RetentionSettings
    routes: RouteHistory
    configuration: ConfigurationInForce
    recorder: BackgroundRecorder
    replan: Callable[[datetime], None]
    """Is called with this machine's time when its clock was set: what was planned before may be an hour away."""
    started_at: datetime
    wall: Callable[[], datetime] = utc_now
    """This machine's clock."""

    _failed: str | None = None
    """Why it failed last; it is logged once."""
    _prunes_from_s: float = field(default_factory=lambda: time.monotonic() + DAY.total_seconds())
    """From which monotonic second on history is removed: a clock that is wrong by a year must not remove it all."""

    async def watch_clock(self) -> None:
        """Notice a clock that was set, for ever."""
        offset_s = self._clock_offset_s()
        while True:
            step_s, offset_s = self._clock_offset_s() - offset_s, self._clock_offset_s()
            if abs(step_s) > _CLOCK_STEP_S:
                text = f"the clock was set by {step_s:+.0f} s: every probe is rescheduled"
                self.recorder.event("clock_stepped", HOST, text)
                self.replan(self.wall())
            if step_s > DAY.total_seconds():
                self._prunes_from_s = time.monotonic() + DAY.total_seconds()
                self.recorder.event(_PRUNING_PAUSED, HOST, f"{_KEPT}: the clock was set forward")
            await asyncio.sleep(_CLOCK_EVERY_S)

    async def run(self) -> None:
        """Every five seconds, for ever."""
        while True:
            try:
                await self.recorder.database.run(self.beat)
                await self.recorder.database.run(self.routes.sum_up, self.recorder.clock())
                self._failed = None
            except DatabaseError as error:
                if str(error) != self._failed:
                    log.error("housekeeping_failed: %s", error)
                self._failed = str(error)
            await asyncio.sleep(_EVERY_S)

    async def prune(self) -> None:
        """Remove what is past its retention, a round an hour in steps of some milliseconds, for ever."""
        while True:
            pause_s = _EVERY_S
            if time.monotonic() >= self._prunes_from_s:
                with suppress(DatabaseError):  # `run` says so
                    is_over = await self.recorder.database.run(self.prune_step)
                    pause_s = _PRUNED_EVERY_S if is_over else _PRUNED_AFTER_S
            await asyncio.sleep(pause_s)

    def started(self, watching: str) -> None:
        """Record that the service has started, and what it watches; raises DatabaseError."""
        self._record("service_started", f"version {_VERSION}, pid {os.getpid()}, {watching}")
        self._distrust_clock()
        self.beat()

    def _distrust_clock(self) -> None:
        """Wait with removing where this clock may be wrong by the days that have passed since the former service."""
        store, now = self.recorder.store, self.recorder.clock()
        former, paused_at = store.last_beat(), store.last_event_at(_PRUNING_PAUSED)
        begins = pruning_begins(now, former.beat_at if former else None, paused_at)
        self._prunes_from_s = time.monotonic() + (begins - now).total_seconds()
        if former and begins == now + DAY:
            self._record(_PRUNING_PAUSED, f"{_KEPT}: the last sign of life was {ago(former.beat_at, now)}")

    def stopped(self) -> None:
        """Record that the service stops in good order, so that nobody takes it for a crash."""
        try:
            self._record("service_stopped", "in good order")
            self.beat(stopped_at=self.recorder.clock())
        except DatabaseError as error:
            log.error("last_words_lost: %s", error)

    def _record(self, kind: str, text: str) -> None:
        log.info("%s: %s", kind, text)
        self.recorder.store.add_event(self.recorder.clock(), kind, HOST, text)

    def prune_step(self) -> bool:
        """Remove some of what is past its retention; whether nothing is left. Raises DatabaseError."""
        now = self.recorder.clock()
        raw_before = now - timedelta(seconds=self.retention.raw_s)
        self.recorder.store.prune(raw_before, rollups_before=oldest_sums(self.retention, now), at_most=_PRUNED)
        return self.recorder.store.pruner.is_over

    def beat(self, stopped_at: datetime | None = None) -> None:
        """Store a sign of life; to be called on the database's thread. Raises DatabaseError."""
        self.recorder.store.beat(
            ServiceBeat(
                pid=os.getpid(),
                host=HOST,
                version=_VERSION,
                started_at=self.started_at,
                beat_at=self.recorder.clock(),
                stopped_at=stopped_at,
                revision=self.configuration.settings.revision,
                loaded_at=self.configuration.loaded_at,
                refused=self.configuration.refused,
            )
        )

    def _clock_offset_s(self) -> float:
        return self.wall().timestamp() - time.monotonic()
