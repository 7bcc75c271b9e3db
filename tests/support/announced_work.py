"""Maintenance in a database, as an operator's command writes it."""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from controller.routing.override_text import begun_event
from controller.routing.overrides import Override, OverrideKind
from controller.routing.store import OverrideStore


def maintain(engine: Engine, subject: str, at: datetime, *, minutes: float) -> Override:
    """A maintenance of a target or a provider that lasts so long."""
    until = at + timedelta(minutes=minutes)
    work = Override(
        kind=OverrideKind.MAINTENANCE, subject=subject, author="ana", reason="announced", at=at, until=until
    )
    return OverrideStore(engine).begin(work, lambda _: begun_event(work))
