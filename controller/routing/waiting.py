"""What a route waits for before it moves, as a sentence with the time (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from controller.routing.decision import Decision
from controller.routing.overrides import Override
from monitor.config.controller_settings import ControllerSettings
from monitor.formatting import clock
from monitor.health import Health


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
    `drains` are of those that an operator keeps routes off. One that is coming back is named before others.
    `least_bad_from` is when `dwell` will have passed since the last move; None where it has.
    """
    if not waits:
        return f"it has no other candidate and stays until this one is well ({own_wait})"
    waits = {**waits, **{name: f"drained until {clock(drain.until, now)}" for name, drain in drains.items()}}
    first = min(waits, key=lambda name: (name in drains, not waits[name].startswith(Health.RECOVERING)))
    others = {1: "", 2: " or the other candidate"}.get(len(waits), f" or one of {len(waits) - 1} others")
    text = f"it moves once {first} ({waits[first]}){others} answers well, or one fails less"
    return f"{text} (from {clock(least_bad_from, now)} on)" if least_bad_from else text


def dwell_end(pointed: Decision | None, controller: ControllerSettings, now: datetime) -> datetime | None:
    """When `dwell` will have passed since the last move; None where it has."""
    if pointed is None:
        return None
    end = pointed.at + timedelta(seconds=controller.dwell_s)
    return end if pointed.at <= now < end else None


def goes_back(better: str, wait: str, dwell_until: datetime | None, now: datetime) -> str:
    """When a route goes back to a more preferred candidate that answers again."""
    text = f"it goes back to {better} ({wait})"
    return f"{text}, not before {clock(dwell_until, now)}" if dwell_until else text
