"""Carries out what a pressed button asks for, once, as the command line would, and says what came of it."""

import logging
from datetime import datetime
from operator import attrgetter
from typing import Final

from sqlalchemy import Engine

from controller.alerts.delivery_store import claim_press, finish_press
from controller.alerts.slack.buttons.buttons import (
    Button,
    ButtonContext,
    Press,
    Verb,
    button_label,
    find_objection,
    is_hold,
    request_for,
)
from controller.incidents.incident import EntryKind
from controller.journal import Journal
from controller.override_operations import begin_override
from controller.routing.operator_requests import RefusedError
from controller.routing.override_text import describe_override, ended_event
from controller.routing.overrides import OverrideKind, Overrides
from monitor.config.settings import Settings
from monitor.storage.database import open_operator, reading, shared_now
from monitor.storage.store import Store

log = logging.getLogger(__name__)

#: What an override has in common with the request that it comes from.
_REQUESTED: Final = attrgetter("kind", "subject", "target", "author", "reason")


def handle_press(press: Press, settings: Settings) -> str | None:
    """Carry it out, unless that was done before, nobody may, or it no longer applies; returns what came of it.

    The answer is a sentence or two for the person who pressed; None when that was answered before. Every press is
    recorded as an event with its author, refused ones too. Opens the database as a command would. Raises DatabaseError:
    then it is not known whether it was carried out, and it may come again. Not for several threads at once.
    """
    engine, button, now = open_operator(settings.database), press.button, shared_now(settings.database)
    before = claim_press(engine, press.key, button.incident if button else None, now)
    begun_at, is_finished = before or (now, False)
    if is_finished:
        return None
    try:
        answer, kind = _carry_out(press, begun_at, before is not None, settings, engine), "button_pressed"
    except RefusedError as error:
        answer, kind = f"Nothing was done: {error}.", "press_refused"
    what = f"“{button_label(button)}”" if button else "a button that this version does not know"
    subject = f"incident {button.incident}" if button else "slack"
    text = f"{press.author} pressed {what}: {answer}"
    finish_press(engine, press.key, kind=kind, subject=subject, text=text, now=shared_now(settings.database))
    log.info("%s subject=%s: %s", kind, subject, text)
    return answer


def _carry_out(press: Press, begun_at: datetime, is_repeated: bool, settings: Settings, engine: Engine) -> str:
    button, author, slack, journal = press.button, press.author, settings.alerts.slack, Journal(engine)
    if slack and slack.allowed_users is not None and press.user not in slack.allowed_users:
        raise RefusedError(f"alerts.slack.allowed_users does not name {press.user}")
    if button is None:
        raise RefusedError("the button is not of this version of Hotspare")
    if is_repeated and _is_done(button, author, begun_at, journal):
        answer = "It was done already."
    elif why := find_objection(button, author, _context(button, settings, journal, Store(reading(engine)))):
        raise RefusedError(why)
    elif button.verb is Verb.ACKNOWLEDGE:
        journal.comments.acknowledge(button.incident, author=author, at=shared_now(settings.database))
        answer = f"You look after incident {button.incident} now."
    else:
        result = begin_override(settings, request_for(button, author))
        answer = f"Done: {'; '.join(result.lines)}."
    if button.verb is not Verb.FAIL_BACK:
        return answer
    return answer + _end_hold(button, author, begun_at, journal, now=shared_now(settings.database))


def _context(button: Button, settings: Settings, journal: Journal, store: Store) -> ButtonContext:
    now = shared_now(settings.database)
    return ButtonContext(
        now=now,
        settings=settings,
        incident=journal.incident(button.incident),
        routes=journal.routes(),
        overrides=Overrides.at(journal.overrides.in_force(now), now),
        health={name: saved.health for name, saved in store.states().items()},
    )


def _is_done(button: Button, author: str, begun_at: datetime, journal: Journal) -> bool:
    """Whether what it asks for was journalled before this process was killed."""
    if button.verb is Verb.ACKNOWLEDGE:
        incident = journal.incident(button.incident)
        return any(
            line.kind is EntryKind.ACKNOWLEDGED and line.author == author and line.at >= begun_at
            for line in (incident.timeline if incident else ())
        )
    wanted = _REQUESTED(request_for(button, author))
    latest = journal.overrides.latest(50)
    return any(_REQUESTED(override) == wanted and override.at >= begun_at for override in latest)


def _end_hold(button: Button, author: str, begun_at: datetime, journal: Journal, *, now: datetime) -> str:
    """End a hold that began before the press: a route that is held could not leave if its target fails again."""
    request = request_for(button, author)
    in_force = journal.overrides.in_force(now)
    if not any(is_hold(each) and each.subject == request.subject and each.at <= begun_at for each in in_force):
        return ""
    ended = journal.overrides.end(
        OverrideKind.PAUSE, {request.subject}, at=now, by=author, reason=request.reason, event_for=ended_event
    )
    return "".join(f" Ended: {describe_override(override)}." for override in ended)
