"""The state of the routing file and of the service that writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Status:
    """The state of the routing file and its writer at one moment."""

    generation: int | None = None
    """Of the table in use; None while nothing is known yet, like the next two."""
    written_at: datetime | None = None
    """When the writer last wrote the table in use."""
    age_s: float | None = None
    """Seconds since then; does not jump with the wall clock while this process runs."""
    writer_alive: bool = False
    """Whether the table in use is younger than `valid_for_s`."""
    problem: str | None = None
    """Why the present file is not the table in use, in one sentence; None when it is."""
    routes: tuple[str, ...] = ()
    """The routes of the table in use, in alphabetical order."""
    epoch: int | None = None
    """Of the table in use, 0 where it has none; None while nothing is known yet."""
