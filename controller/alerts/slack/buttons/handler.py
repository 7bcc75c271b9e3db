"""Does what a pressed button asks for: the same journalled order as the command line's, once; says what came of it."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from controller.alerts.slack.buttons.buttons import Button, Verb, label
from controller.alerts.slack.buttons.press import Press
from controller.alerts.slack.buttons.rules import ButtonContext, is_hold, objection, order_of
from controller.alerts.slack.buttons.store import Claim, PressStore
from controller.incidents.incident import EntryKind
from controller.incidents.store import CommentRefusedError
from controller.journal import Journal
from controller.operations import begin_override
from controller.routing import override_text
from controller.routing.operator_requests import OperatorRequest, RefusedError
from controller.routing.overrides import Override, OverrideKind, Overrides
from monitor.clock import utc_now
from monitor.settings import Settings
from monitor.storage.database import open_operator, reading
from monitor.storage.store import Store
from probes.redaction import one_line

log = logging.getLogger(__name__)

_LATEST: Final = 50


class _RefusedPressError(Exception):
    """Nothing was done; the text is a sentence without its end."""


class PressHandler:
    """Takes presses, one at a time, from any thread. Each opens the database as a command would, beside the service."""

    def __init__(
        self, settings: Settings, *, allowed: tuple[str, ...] | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._allowed = allowed
        self._clock = clock

    def handle(self, press: Press) -> str | None:
        """Do it, unless it was done before, nobody may, or it no longer applies; says what came of it.

        The answer is a sentence or two for the person who pressed; None when that was answered before. Every press is
        kept as an event with its author, refused ones too. Raises DatabaseError: then it is not known to be done, and
        may come again.
        """
        engine = open_operator(self._settings.database)
        try:
            return self._handle(press, engine)
        finally:
            engine.dispose()

    def _handle(self, press: Press, engine: Engine) -> str | None:
        book = PressStore(engine)
        button = press.button
        claim = book.claim(press.key, button.incident if button else None, self._clock())
        if claim.done:
            return None
        try:
            said, kind = self._done(press, claim, engine), "button_pressed"
        except (_RefusedPressError, RefusedError, CommentRefusedError) as error:
            said, kind = f"Nothing was done: {error}.", "press_refused"
        what = f"“{label(button)}”" if button else "a button that this version does not know"
        subject = f"incident {button.incident}" if button else "slack"
        text = f"{press.author} pressed {what}: {said}"
        book.finish(press.key, kind=kind, subject=subject, text=text, now=self._clock())
        log.info("%s subject=%s: %s", kind, subject, text)
        return said

    def _done(self, press: Press, claim: Claim, engine: Engine) -> str:
        button, author = press.button, press.author
        if self._allowed is not None and press.user not in self._allowed:
            raise _RefusedPressError(f"alerts.slack.allowed_users does not name {one_line(press.user, 30)}")
        if button is None:
            raise _RefusedPressError("the button is not of this version of Hotspare")
        journal = Journal(engine)
        if claim.again and self._was_done(button, author, claim, journal):
            said = "It was done already."
        else:
            if why := objection(button, author, self._standing(button, journal, Store(reading(engine)))):
                raise _RefusedPressError(why)
            said = self._do(button, author, journal)
        if button.verb is Verb.FAIL_BACK:
            said += self._end_hold(button, author, claim, journal)
        return said

    def _standing(self, button: Button, journal: Journal, store: Store) -> ButtonContext:
        now = self._clock()
        return ButtonContext(
            now=now,
            settings=self._settings,
            incident=journal.incident(button.incident),
            routes=journal.routes(),
            overrides=Overrides.at(journal.overrides.in_force(now), now),
            health={name: saved.health for name, saved in store.states().items()},
        )

    def _was_done(self, button: Button, author: str, claim: Claim, journal: Journal) -> bool:
        """Whether what it asks for was journalled before this process was killed."""
        if button.verb is Verb.ACKNOWLEDGE:
            found = journal.incident(button.incident)
            lines = found.timeline if found else ()
            said = (line for line in lines if line.kind is EntryKind.ACKNOWLEDGED and line.author == author)
            return any(line.at >= claim.begun_at for line in said)
        order = order_of(button, author)
        return any(_carries_out(one, order, claim) for one in journal.overrides.latest(_LATEST))

    def _do(self, button: Button, author: str, journal: Journal) -> str:
        if button.verb is Verb.ACKNOWLEDGE:
            journal.comments.acknowledge(button.incident, author=author, at=self._clock())
            return f"You look after incident {button.incident} now."
        outcome = begin_override(self._settings, order_of(button, author))
        return f"Done: {'; '.join(outcome.lines)}."

    def _end_hold(self, button: Button, author: str, claim: Claim, journal: Journal) -> str:
        """Who brings a route back does not want it held there: it could not leave if it fails again."""
        holds = [
            one for one in journal.overrides.in_force(self._clock()) if is_hold(one) and one.subject == button.route
        ]
        if not any(one.at <= claim.begun_at for one in holds):
            return ""
        ended = journal.overrides.end(
            OverrideKind.PAUSE,
            {one.subject for one in holds},
            at=self._clock(),
            by=author,
            reason=order_of(button, author).reason,
            event_for=override_text.ended_event,
        )
        return "".join(f" Over: {override_text.describe_override(one)}." for one in ended)


def _carries_out(one: Override, order: OperatorRequest, claim: Claim) -> bool:
    given = (one.kind, one.subject, one.target, one.author, one.reason)
    return given == (order.kind, order.subject, order.target, order.author, order.reason) and one.at >= claim.begun_at
