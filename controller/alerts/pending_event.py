"""An event that waits to be told (pure)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEvent:
    """An event that people must be told of and have not been."""

    id: int
    at: datetime
    kind: str
    """A past-tense name: `pinned`, `probing_stopped`."""
    subject: str
    text: str
    """It may quote a provider or an operator."""
