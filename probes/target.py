"""What to ask whom: providers, their models as targets, and the questions (checks) a probe may ask."""

from dataclasses import dataclass
from enum import StrEnum


class Check(StrEnum):
    """The question a probe asks."""

    CHAT = "chat"
    """A short reply that must contain a random nonce, so that no cache can answer."""
    STREAM = "stream"
    """The same as a stream: time to first token is measured and the dialect's terminator is required."""


class Secret:
    """A string that does not show itself: `repr`, `str` and formatting give `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An organisation's endpoint."""

    name: str
    dialect: str
    """The wire format; a key of `probes.dialects.registry.DIALECTS`."""
    base_url: str
    """Without a trailing slash. For `openai-chat` it ends in the version (`…/v1`), for the others it is the host."""
    api_key: Secret
    api_key_env: str | None = None
    """The variable that the key came from; None when the configuration holds the key itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines of one probe, in seconds from its start; `total_s` bounds everything."""

    connect_s: float = 5.0
    first_token_s: float = 15.0
    total_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One model at one provider: what is probed and what is routed to."""

    provider: Provider
    model: str
    interval_s: float = 30.0
    timeouts: Timeouts = Timeouts()
    slow_s: float = 10.0
    """A correct answer that took longer than this is `slow`."""
    checks: tuple[Check, ...] = (Check.CHAT,)

    @property
    def id(self) -> str:
        """`provider/model`, as routes name it."""
        return f"{self.provider.name}/{self.model}"
