"""Whether the service that probes and decides is at work, by the last beat that it wrote to the database."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

#: The service writes a beat every 5 s. Three missed beats and 5 s of grace for a slow disk mean a crash or a hang.
SILENT_AFTER_S: Final = 20.0


class Liveness(StrEnum):
    """Whether the service is at work."""

    NEVER_STARTED = "never_started"
    RUNNING = "running"
    SILENT = "silent"
    """It has not written a beat for `SILENT_AFTER_S` seconds, and has not said that it stopped."""
    STOPPED = "stopped"
    """It stopped in good order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBeat:
    """The sign of life that the service writes every 5 s."""

    pid: int
    host: str
    version: str
    started_at: datetime
    beat_at: datetime
    stopped_at: datetime | None = None
    """When it stopped in good order; None while it runs, and after a crash."""
    revision: str | None = None
    """Of the configuration that is in force."""
    loaded_at: datetime | None = None
    """When that was read."""
    refused: str | None = None
    """Why what the file says by now is not in force, in one sentence; None while it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """Whether the service is at work, with its last beat."""

    liveness: Liveness
    beat: ServiceBeat | None = None
    """None when it never started."""

    @property
    def refused_configuration(self) -> str | None:
        """Why a running service does not run by what its file says now; None while it does."""
        return self.beat.refused if self.beat and self.liveness is Liveness.RUNNING else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Who leads the machines on one PostgreSQL, or led them last."""

    holder: str
    epoch: int
    until: datetime
    """By the database's time; a past instant once it leads no more."""

    def is_leading(self, now: datetime) -> bool:
        """Whether it still does."""
        return now < self.until

    def sentence(self, now: datetime) -> str:
        """`web-1 pid 7 leads (epoch 3)`, without a full stop."""
        name = self.holder.rpartition(" ")[0] or self.holder
        epoch = f"(epoch {self.epoch})"
        return f"{name} leads {epoch}" if self.is_leading(now) else f"nobody leads; {name} did {epoch}"


def service_status(beat: ServiceBeat | None, now: datetime) -> ServiceStatus:
    """What the last beat of the service means at `now`; `beat` is None when the service never wrote one."""
    if beat is None:
        return ServiceStatus(liveness=Liveness.NEVER_STARTED)
    if beat.stopped_at:
        return ServiceStatus(liveness=Liveness.STOPPED, beat=beat)
    is_silent = (now - beat.beat_at).total_seconds() > SILENT_AFTER_S
    return ServiceStatus(liveness=Liveness.SILENT if is_silent else Liveness.RUNNING, beat=beat)
