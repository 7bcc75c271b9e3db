"""What the answers of the neutral endpoints mean, as values (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

_TRUSTED_FOR = timedelta(hours=1)


class ConnectivityState(StrEnum):
    """Whether our own network works, so that failures can be judged."""

    ONLINE = "online"
    BLIND = "blind"
    UNTRUSTED = "untrusted"
    """No endpoint has answered within the last hour: the providers alone decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectivityObservation:
    """One check of the neutral endpoints; `Blindness.replay` decides from stored ones as the service did."""

    at: datetime
    state: ConnectivityState
    """What followed from it and from those before."""
    asked: tuple[str, ...]
    answered: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHistory:
    """When each neutral endpoint last answered; a new value with each check."""

    answered_at: Mapping[str, datetime] = field(default_factory=dict)

    def state_of(self, answered: frozenset[str], *, now: datetime) -> ConnectivityState:
        """What a check at `now` means: any answer is online; none is blind while an earlier answer is trusted.

        To be asked of the history before the check; `after` gives the one to go on with.
        """
        if answered:
            return ConnectivityState.ONLINE
        return ConnectivityState.BLIND if self.trusted(now=now) else ConnectivityState.UNTRUSTED

    def trusted(self, *, now: datetime) -> frozenset[str]:
        """The endpoints that answered within the hour before `now`, so that their silence means something."""
        return frozenset(endpoint for endpoint, at in self.answered_at.items() if now - at <= _TRUSTED_FOR)

    def after(self, answered: frozenset[str], *, now: datetime) -> "EndpointHistory":
        """The history once `answered` have answered at `now`."""
        return EndpointHistory(answered_at={**self.answered_at, **dict.fromkeys(answered, now)})
