"""Is it us: what the neutral endpoints' answers mean, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

_TRUSTED_FOR = timedelta(hours=1)


class ConnectivityState(StrEnum):
    """Whether our own network lets us judge anybody."""

    ONLINE = "online"
    BLIND = "blind"
    UNTRUSTED = "untrusted"
    """No endpoint has answered within the last hour: they cannot say, the providers alone must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectivityObservation:
    """What the neutral endpoints said when they were asked; a stored history of these judges as it was judged."""

    at: datetime
    """When the asking began."""
    sight: ConnectivityState
    """What followed from it and from those before."""
    asked: tuple[str, ...]
    answered: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHistory:
    """When each neutral endpoint last answered; a new value with each asking."""

    answered_at: Mapping[str, datetime] = field(default_factory=dict)

    def sight(self, answered: frozenset[str], *, now: datetime) -> ConnectivityState:
        """What an asking at `now` means: any answer is online; none is blind while an earlier answer is trusted.

        Ask the value from before the asking, then go on with `after`.
        """
        if answered:
            return ConnectivityState.ONLINE
        return ConnectivityState.BLIND if self.trusted(now=now) else ConnectivityState.UNTRUSTED

    def trusted(self, *, now: datetime) -> frozenset[str]:
        """The endpoints whose silence at `now` means something: they answered within the hour."""
        return frozenset(endpoint for endpoint, at in self.answered_at.items() if now - at <= _TRUSTED_FOR)

    def after(self, answered: frozenset[str], *, now: datetime) -> "EndpointHistory":
        """What is known once `answered` have answered at `now`."""
        return EndpointHistory(answered_at={**self.answered_at, **dict.fromkeys(answered, now)})
