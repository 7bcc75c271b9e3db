"""Providers, their models as targets, and the checks that a probe can run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from probes.context_check import CONTEXT, ContextCheck
from probes.custom_check import CustomCheck


class Check(StrEnum):
    """What a probe asks for; any other name is that of a `CustomCheck`."""

    CHAT = "chat"
    """A short reply that must contain a random nonce, so that no cache can answer it."""
    STREAM = "stream"
    """The same as a stream: the time to the first token is measured, the dialect's terminator is required."""
    STRUCTURED = "structured"
    """JSON that fits a schema, and no other text."""
    TOOL = "tool"
    """A call of the function that is offered, with arguments that fit its schema."""
    EMBEDDING = "embedding"
    """A vector of the right length."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A string whose `repr`, `str` and formatting give `***`."""

    _value: str

    def reveal(self) -> str:
        """The string itself, for the code that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """A key of a provider, and where it came from."""

    secret: Secret
    variable: str | None = None
    """The environment variable, if any."""
    file: str | None = None

    @property
    def source(self) -> str:
        """Where it comes from: what to check when it is refused."""
        if self.file:
            return f"the file {self.file}"
        return f"the variable {self.variable}" if self.variable else "the key in the configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An endpoint of an organisation, and how to talk to it."""

    name: str
    dialect: str
    """A key of `probes.dialects.registry.DIALECTS`."""
    base_url: str
    """Without a trailing slash. For `openai-chat` it ends in the version (`…/v1`), for the others it is the host."""
    api_key: Secret
    api_key_env: str | None = None
    """The environment variable that the key came from, if any."""
    api_key_file: str | None = None
    """The file that the key came from, if any."""
    other_keys: tuple[ProviderKey, ...] = ()
    """To go on with when `api_key` is refused, in this order."""
    preset: str | None = None
    """A key of `probes.dialects.presets.PRESETS`."""
    region: str | None = None
    """Of the cloud, where the dialect needs one."""
    api_version: str | None = None
    """For Azure resources whose address carries one."""
    signing: bool = False
    """Whether requests are signed with AWS credentials, in place of a key."""
    sentinel: str | None = None
    """The model that is probed often, for all of them."""
    status_page: str | None = None
    """The address of the vendor's status page; None: it is not read."""
    owner: "Owner | None" = None
    """Who looks after it."""

    @property
    def keys(self) -> tuple[ProviderKey, ...]:
        """All of them, in the order of the configuration."""
        return (ProviderKey(secret=self.api_key, variable=self.api_key_env, file=self.api_key_file), *self.other_keys)

    def with_key(self, key: ProviderKey) -> "Provider":
        """The provider, to be asked with this key alone."""
        return replace(self, api_key=key.secret, api_key_env=key.variable, api_key_file=key.file, other_keys=())

    @property
    def key_source(self) -> str:
        """Where the key comes from: what to check when it is refused."""
        return "the AWS credentials of this machine" if self.signing else self.keys[0].source


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who looks after a provider or a route, besides those who are told of everything."""

    channel: str | None = None
    """In Slack."""
    mention: tuple[str, ...] = ()
    """Whom to call there, as Slack writes it."""
    runbook: str | None = None
    """The address of what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of tokens, in US dollars per million."""

    input_usd: float
    output_usd: float
    cached_usd: float | None = None
    """Of input that the provider had cached; None: as other input."""


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
    checks: tuple[str, ...] = (Check.CHAT,)
    """Run in turn, over and over; a check of weight 3 stands here three times."""
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Merged into the body of every request; None removes a key."""
    price: Price | None = None
    """None: by the price list."""
    custom_checks: Mapping[str, CustomCheck] = field(default_factory=dict, hash=False)
    """What those of `checks` ask that are no `Check`."""
    context_check: ContextCheck | None = None
    """Asked beside `checks`, on a schedule of its own; None: not at all."""
    dimensions: int | None = None
    """The length that an embedding must have; None: as `probes.dialects.model_families` knows it, else any."""
    context: int | None = None
    """The most tokens that a request may have, as configured; None: by the price list."""
    capabilities: frozenset[str] = frozenset()
    """What it can do, in the words of whoever configured it."""
    location: str | None = None
    """Where it is, in their words."""
    monitored_from: str = ""
    """The region whose machines probe it, for applications there; empty where the configuration has no regions."""
    id: str = field(init=False, repr=False, compare=False)
    """`provider/model`, as routes name it; with regions `provider/model@region`."""

    def __post_init__(self) -> None:
        name = f"{self.plain_name}@{self.monitored_from}" if self.monitored_from else self.plain_name
        object.__setattr__(self, "id", name)  # once: everything that is kept of a target is kept by it

    @property
    def questions(self) -> tuple[str, ...]:
        """The checks, each once."""
        return tuple(dict.fromkeys(self.checks))

    @property
    def own_checks(self) -> tuple[str, ...]:
        """The names of its checks that are no `Check`."""
        return (*self.custom_checks, *([CONTEXT] if self.context_check else []))

    def own_check(self, check: str) -> CustomCheck | None:
        """What a check asks that is no `Check`; None where it is one."""
        if check == CONTEXT and self.context_check:
            return self.context_check.task
        return self.custom_checks.get(check)

    def with_deadlines_of(self, check: str) -> "Target":
        """The target with the deadlines of this check: those of `context` are its own."""
        if check != CONTEXT or not self.context_check:
            return self
        limit_s = self.context_check.timeout_s
        limits = Timeouts(connect_s=min(self.timeouts.connect_s, limit_s), first_token_s=limit_s, total_s=limit_s)
        return replace(self, timeouts=limits, slow_s=limit_s)

    @property
    def is_sentinel(self) -> bool:
        """Whether it is probed often for its siblings."""
        return self.model == self.provider.sentinel

    @property
    def plain_name(self) -> str:
        """`provider/model`, as applications name it wherever they are."""
        return f"{self.provider.name}/{self.model}"
