"""Applies overrides once per cycle: begins the scheduled ones, reads those in force, records ends, warns."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.routing import override_text
from controller.routing.drill import (
    AWAY,
    DrillConditions,
    due_drills,
    end_event,
    judged_by_requests,
    not_begun,
    stopped,
)
from controller.routing.overrides import SCHEDULE, Override, OverrideKind, Overrides, explain_no_effect, warning_due
from controller.routing.schedule import scheduled
from controller.routing.store import OverrideStore, StoredOverride
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed
from monitor.health import FAILING, TargetHealth

log = logging.getLogger(__name__)

#: What an override does, and from when to when: what tells one time of a window from another.
_Occurrence = tuple[OverrideKind, str, datetime, datetime]


def _occurrence(override: Override) -> _Occurrence:
    return override.kind, override.subject, override.at, override.until


class ActiveOverrides:
    """The overrides of the running service, by operators and by the schedule.

    In each cycle call `read` before the routes are decided, and `mark_published` once the routing file is written. Both
    raise DatabaseError when the database cannot be used; `known` then has those that were read last.
    """

    def __init__(self, settings: Settings, overrides: OverrideStore) -> None:
        self._settings = settings
        self._overrides = overrides
        self._read: list[StoredOverride] = []
        self._logged_without_effect: set[int] = set()
        self._over: dict[int, Override] = {}
        """The drills that were stopped, by id, known to the database or not."""
        self._begun: set[_Occurrence] = set()
        """What the configuration schedules and the database knows."""

    def reconfigure(self, settings: Settings) -> None:
        """Go on with other settings."""
        self._settings = settings
        self._logged_without_effect.clear()

    def read(self, health: Mapping[str, TargetHealth], now: datetime) -> Overrides:
        """The overrides in force that have an effect in this configuration; records and reports the others.

        `health` is the targets' by id: a pin to a failing target is warned of.
        """
        planned = self._begin_scheduled(now)
        self._read = self._overrides.unfinished()
        active, applicable = Overrides.at((stored.override for stored in self._read), now), self._in_force((), now)
        for stored in self._read:
            override = stored.override
            over = self._over.get(override.id)
            if over and override.ended_at is None:  # the database could not be written when it was stopped
                self._record_end(over, end_event(over), now)
            elif override.ended_at is None and not override.active(now):
                self._record_expiry(override, now)
            elif self._is_forgotten(override, planned, now):
                ended = replace(override, ended_at=now, ended_by=SCHEDULE, ended_reason="it is no longer planned")
                self._record_end(ended, override_text.ended_event(ended), now)
            elif override in active.active and override not in applicable.active:
                self._report_no_effect(stored, now)
            elif override in applicable.active and override.kind is OverrideKind.PIN:
                self._warn(stored, health.get(override.target or ""), now)
        return applicable

    def known(self, now: datetime) -> Overrides:
        """Those read last that are in force and have an effect: they begin and end in time, read again or not."""
        new = [override for override in scheduled(self._settings, now) if _occurrence(override) not in self._begun]
        return self._in_force(new, now)

    def _in_force(self, new: Sequence[Override], now: datetime) -> Overrides:
        read = (stored.override for stored in self._read if stored.override.id not in self._over)
        return Overrides.at((*read, *new), now).applicable(self._settings)

    def _record_expiry(self, override: Override, now: datetime) -> None:
        ended = replace(override, ended_at=override.until)
        if override.kind is not OverrideKind.DRILL:
            self._record_end(ended, override_text.expired_event(override, now), now)
            return
        [first] = [route.candidates[0] for route in self._settings.routes if route.name == override.subject] or [""]
        asked, lasted = self._overrides.requests, override.until - override.at
        before = asked(override.subject, first, override.at - lasted, override.at)
        during = asked(override.subject, override.target or "", override.at, override.until)
        ended = judged_by_requests(ended, before, during)
        self._record_end(ended, end_event(ended), now)

    def resume(self, away: timedelta, now: datetime) -> None:
        """End the drills that nobody watched, because the service was away for so long; raises DatabaseError."""
        reason = f"the service was away for {format_elapsed(away.total_seconds())}"
        for stored in self._overrides.unfinished() if away > AWAY else ():
            if stored.override.kind is OverrideKind.DRILL and stored.override.ended_at is None:
                self.stop_drill(stored.override, reason, now)

    def due_drills(self, now: datetime) -> list[Override]:
        """The drills of the schedule that are to begin now, or to be left out."""
        return [drill for drill in due_drills(self._settings, now) if _occurrence(drill) not in self._begun]

    def begin_drills(self, due: Iterable[Override], conditions: DrillConditions) -> None:
        """Begin these drills, or record why one cannot be; raises DatabaseError. `read` must then be called again."""
        for drill in due:
            standby, problem = conditions.standby(drill.subject)
            begun = replace(drill, target=standby) if standby else not_begun(drill, problem)
            self._begin(begun, override_text.begun_event(begun) if standby else end_event(begun))

    def stop_drill(self, drill: Override, reason: str, now: datetime) -> None:
        """End it before its time; raises DatabaseError, and it is over all the same."""
        ended = self._over[drill.id] = stopped(drill, reason, now)
        self._record_end(ended, end_event(ended), now)

    def _is_forgotten(self, override: Override, planned: set[_Occurrence], now: datetime) -> bool:
        """Whether the configuration scheduled it once and does no longer."""
        scheduled_once = override.author == SCHEDULE and override.kind is not OverrideKind.DRILL
        return scheduled_once and override.active(now) and _occurrence(override) not in planned

    def _begin_scheduled(self, now: datetime) -> set[_Occurrence]:
        """Begin what the configuration schedules for now; returns all of it."""
        due = scheduled(self._settings, now)
        for override in due:
            if _occurrence(override) not in self._begun:
                self._begin(override, override_text.begun_event(override))
        return set(map(_occurrence, due))

    def _begin(self, override: Override, event: override_text.OverrideEvent) -> None:
        """Store what becomes of one that is planned, unless it is stored already."""
        if self._overrides.begin_scheduled(override, event):
            log.info("%s subject=%s: %s", event.kind, event.subject, event.text)
        self._begun.add(_occurrence(override))

    def _record_end(self, ended: Override, event: override_text.OverrideEvent, now: datetime) -> None:
        self._overrides.record_end(ended, event, now)
        log.info("%s subject=%s: %s", event.kind, event.subject, event.text)

    def write_into(self, overrides: OverrideStore, now: datetime) -> None:
        """Add those in force to a database that has not got them; raises DatabaseError."""
        overrides.add_missing([stored.override for stored in self._read if stored.override.active(now)])

    def mark_published(self, now: datetime) -> None:
        """Record that the routing file says what follows from the overrides that `read` returned last."""
        unpublished = [stored.override for stored in self._read if not stored.published]
        if not unpublished:
            return
        self._overrides.mark_published(unpublished, now)
        for override in unpublished:
            what = override_text.describe_override(override)
            if override.ended_at is None:
                log.info("override_heeded id=%d author=%s: %s: %s", override.id, override.author, what, override.reason)
            elif override.ended_by:
                why = f": {override.ended_reason}" if override.ended_reason else ""
                log.info("override_ended id=%d by=%s: %s%s", override.id, override.ended_by, what, why)

    def _warn(self, stored: StoredOverride, state: TargetHealth | None, now: datetime) -> None:
        if state is None or state.health not in FAILING or not warning_due(state, stored.warned_at, now):
            return
        event = override_text.pin_warning_event(stored.override, state, now)
        # The incident of the target tells it, and calls somebody.
        self._overrides.record_warning(stored.override, event, now, notify=False)
        log.warning("%s subject=%s: %s", event.kind, event.subject, event.text)

    def _report_no_effect(self, stored: StoredOverride, now: datetime) -> None:
        """Reported to people once, and logged at every start of the service: the configuration has changed."""
        override = stored.override
        if override.id in self._logged_without_effect:
            return
        event = override_text.no_effect_event(override, explain_no_effect(override, self._settings) or "")
        if stored.warned_at is None:
            self._overrides.record_warning(override, event, now)
        self._logged_without_effect.add(override.id)
        log.warning("%s subject=%s: %s", event.kind, event.subject, event.text)
