"""What the service makes of the operator's hand in each cycle: heeds it, notes what expired, keeps warning."""

import logging
from collections.abc import Mapping
from datetime import datetime

from controller.routing import override_text as override_words
from controller.routing.overrides import OverrideKind, Overrides, stray, warning_due
from controller.routing.store import OverrideStore, StoredOverride
from monitor.health import FAILING, TargetHealth
from monitor.settings import Settings

log = logging.getLogger(__name__)


class OverrideSync:
    """The overrides that count now. Every method raises DatabaseError when the database cannot be used.

    Each cycle: `read` before the routes are decided, `published` once the routing file says what follows.
    """

    def __init__(self, settings: Settings, hand: OverrideStore) -> None:
        self._settings = settings
        self._hand = hand
        self._read: list[StoredOverride] = []
        self._adrift: set[int] = set()
        """Of those that mean nothing in this configuration, which that has been said of."""

    def read(self, health: Mapping[str, TargetHealth], now: datetime) -> Overrides:
        """Those in force that mean something in this configuration; says what must be said of the others."""
        self._read = self._hand.unfinished()
        active = Overrides.at((kept.override for kept in self._read), now)
        counting = active.applicable(self._settings)
        for kept in self._read:
            one = kept.override
            if one.ended_at is None and not one.active(now):
                note = override_words.expired(one, now)
                self._hand.expire(one, note, now)
                log.info("%s subject=%s: %s", note.kind, one.subject, note.text)
            elif one in active.active and one not in counting.active:
                self._say_adrift(kept, now)
            elif one in counting.active and one.kind is OverrideKind.PIN:
                self._warn(kept, health.get(one.target or ""), now)
        return counting

    def published(self, now: datetime) -> None:
        """The routing file says what follows from what was read: whoever laid it on may be told so."""
        unheeded = [kept.override for kept in self._read if not kept.heeded]
        if not unheeded:
            return
        self._hand.heed(unheeded, now)
        for one in unheeded:
            about = override_words.what(one)
            if one.ended_at is None:
                log.info("override_heeded id=%d author=%s: %s: %s", one.id, one.author, about, one.reason)
            elif one.ended_by:
                log.info("override_ended id=%d by=%s: %s: %s", one.id, one.ended_by, about, one.ended_reason)

    def _warn(self, kept: StoredOverride, state: TargetHealth | None, now: datetime) -> None:
        if state is None or state.health not in FAILING or not warning_due(state, kept.warned_at, now):
            return
        note = override_words.warning(kept.override, state, now)
        self._hand.warn(kept.override, note, now)
        log.warning("%s subject=%s: %s", note.kind, note.subject, note.text)

    def _say_adrift(self, kept: StoredOverride, now: datetime) -> None:
        """Tell people once; the log hears of it at every start of the service: it is the configuration that changed."""
        if kept.override.id in self._adrift:
            return
        note = override_words.adrift(kept.override, stray(kept.override, self._settings) or "")
        if kept.warned_at is None:
            self._hand.warn(kept.override, note, now)
        self._adrift.add(kept.override.id)
        log.warning("%s subject=%s: %s", note.kind, note.subject, note.text)
