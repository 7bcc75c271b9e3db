"""What a route waits for before it moves, as a sentence with the time (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from controller.routing.decision import Decision
from controller.routing.overrides import Override
from monitor.config.controller_settings import ControllerSettings
from monitor.formatting import clock

#: So many candidates are named.
_NAMED = 3


def stuck_until(
    own_wait: str,
    waits: Mapping[str, str],
    drains: Mapping[str, Override],
    *,
    least_bad_from: datetime | None,
    now: datetime,
) -> str:
    """What moves a route that is stuck: that one of its other candidates is good again, or fails less.

    `own_wait` says what its present target waits for, `waits` what each other candidate does, in order of preference;
    `drains` are of those that an operator keeps routes off. `least_bad_from` is when `dwell` will have passed since the
    last move; None where it has.
    """
    if not waits:
        return f"it has no other candidate and stays until this one is well ({own_wait})"
    drained = {name: f"drained until {clock(drain.until, now)}" for name, drain in drains.items()}
    names = [f"{name} ({drained.get(name, wait)})" for name, wait in waits.items()]
    more = [f"{len(names) - _NAMED} others"] if len(names) > _NAMED + 1 else names[_NAMED:]
    named = " or ".join([*names[:_NAMED], *more])
    text = f"it moves at good probes of {named}, or where one of them measurably fails less"
    return f"{text}, from {clock(least_bad_from, now)} on (dwell)" if least_bad_from else text


def dwell_end(pointed: Decision | None, controller: ControllerSettings, now: datetime) -> datetime | None:
    """When `dwell` will have passed since the last move; None where it has."""
    if pointed is None:
        return None
    end = pointed.at + timedelta(seconds=controller.dwell_s)
    return end if pointed.at <= now < end else None


def goes_back(better: str, wait: str, dwell_until: datetime | None, now: datetime) -> str:
    """When a route goes back to a more preferred candidate that answers again."""
    text = f"it goes back to {better} ({wait})"
    return f"{text}, not before {clock(dwell_until, now)} (dwell)" if dwell_until else text
