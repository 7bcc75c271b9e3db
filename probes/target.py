"""What to ask whom: providers, their models as targets, and the questions (checks) a probe may ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Check(StrEnum):
    """The question a probe asks."""

    CHAT = "chat"
    """A short reply that must contain a random nonce, so that no cache can answer."""
    STREAM = "stream"
    """The same as a stream: time to first token is measured and the dialect's terminator is required."""
    STRUCTURED = "structured"
    """JSON under a schema, and nothing but that."""
    TOOL = "tool"
    """A function is offered and must be called, with arguments that fit."""
    EMBEDDING = "embedding"
    """A text must become a vector of the right length."""


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
    """The variable that the key came from; None when the configuration holds the key itself, or none is needed."""
    preset: str | None = None
    """Whose peculiarities it has; a key of `probes.dialects.presets.PRESETS`."""
    region: str | None = None
    """Of the cloud that it is in, where the dialect needs one."""
    api_version: str | None = None
    """What an Azure resource of the classic kind wants in its address."""
    signing: bool = False
    """Whether requests are signed with the credentials of AWS, in place of a bearer key."""
    status_page: str | None = None
    """Where the vendor says how it is; None when nobody is asked."""

    @property
    def key_words(self) -> str:
        """What must be looked at when the key is refused."""
        if self.signing:
            return "the AWS credentials of this machine"
        return f"the variable {self.api_key_env}" if self.api_key_env else "the key in the configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What tokens cost, in US dollars per million."""

    input_usd: float
    output_usd: float
    cached_usd: float | None = None
    """Input that the provider had cached; None: as any other input."""


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
    """Who is asked after whom, over and over; a check of weight 3 stands here three times."""
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Laid over the body of every request, section by section; None takes a key out."""
    price: Price | None = None
    """None: the price list's."""
    dimensions: int | None = None
    """How long an embedding must be; None: what the model is known for (`probes.model_facts`), if anything."""

    @property
    def questions(self) -> tuple[Check, ...]:
        """The checks, each once."""
        return tuple(dict.fromkeys(self.checks))

    @property
    def id(self) -> str:
        """`provider/model`, as routes name it."""
        return f"{self.provider.name}/{self.model}"
