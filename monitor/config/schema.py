"""Every key of the configuration: what may be written, its default, what it does, and when to change it.

`docs/configuration.md` and `hotspare check --schema` are made from this. Rules that concern several keys are in
`monitor.config.build`.
"""

from itertools import pairwise
from typing import Annotated, Any, Final

from monitor.config.reading import Text
from monitor.config.schema_alerts import AlertsSection
from monitor.config.section_base import ListItems, NamedEntries, Section, key
from monitor.config.values import (
    Value,
    address,
    as_written,
    check_turns,
    choice,
    choices,
    duration,
    flag,
    must,
    number,
    rate,
    secret,
    share,
    text,
    whole_number,
)
from monitor.detection.evidence import LARGEST_BACKGROUND
from monitor.formatting import format_share, plural
from monitor.health import Health
from monitor.settings import (
    DEFAULT_DATABASE,
    DEFAULT_ROUTING_FILE,
    ControllerSettings,
    Settings,
)
from probes.dialects.presets import PRESETS
from probes.dialects.registry import CONFIG_FIELDS, DIALECTS
from probes.target import Check, Provider, Secret, Target

#: Two probes a second for one target; the demonstration needs as many, real life never does.
SHORTEST_INTERVAL_S: Final = 0.5
#: The detector needs some history after a restart, and the page something to show.
SHORTEST_RETENTION_S: Final = 3600.0
LONGEST_EMBEDDING: Final = 100_000
ONE_DIALECT: Final = f"one of {', '.join(DIALECTS)}"
NO_PAGE: Final = "none"
#: The values that a target, a controller and so on have where the file says nothing.
PLAIN_TARGET: Final = Target(provider=Provider(name="", dialect="", base_url="", api_key=Secret("")), model="")
_PLAIN: Final = Settings(path=DEFAULT_ROUTING_FILE, targets=(), routes=())
_CONTROLLER: Final = ControllerSettings()

#: Ten times the dearest model there is; more than that is a price per thousand or per token in the wrong place.
_HIGHEST_USD: Final = 10_000.0
_MOST_STEPS: Final = 10
_FAIL_OVER_ON: Final = tuple(map(str, (Health.DEGRADED, Health.UNUSABLE, Health.DOWN, Health.MISCONFIGURED)))


def _detect_problem(detect: float) -> str | None:
    shown = format_share(detect)
    if detect <= LARGEST_BACKGROUND:
        return f"{shown} is not above the background rate a target may have (up to {format_share(LARGEST_BACKGROUND)})"
    if detect >= 1:
        return f"{shown} is not below 100%: only outages that fail every single request would be found"
    return None


def _steps_problem(shares: list[float]) -> str | None:
    if not 1 <= len(shares) <= _MOST_STEPS:
        return f"has {plural(len(shares), 'step')}; expected 1 to {_MOST_STEPS} of them, the last one 100%"
    if any(after <= before for before, after in pairwise((0.0, *shares))):
        return "does not rise; expected shares above 0%, each larger than the one before: [10%, 50%, 100%]"
    if shares[-1] != 1:
        return f"ends at {format_share(shares[-1])}; the last step is 100%, or the failback would never be complete"
    return None


def _blip_length_problem(length: list[float]) -> str | None:
    if len(length) != 2:
        return f"expected two durations such as [3s, 8s], found {len(length)}"
    if length[0] > length[1]:
        return "expected two durations such as [3s, 8s], the shorter one first"
    return None


BLIP_LENGTH: Final = ListItems("two durations such as [3s, 8s]", check=_blip_length_problem, whole=True, length=2)


NOT_NEGATIVE: Final = must(lambda value: value >= 0, "{:g} is not zero or more")
_PRICE: Final = number(
    must(
        lambda usd: 0 <= usd <= _HIGHEST_USD,
        f"{{:g}} is not a price in dollars per million tokens; expected 0 to {_HIGHEST_USD:g}",
    ),
    "dollars per million tokens, such as 0.10",
    minimum=0,
    maximum=_HIGHEST_USD,
)
_MORE_THAN_ZERO: Final = must(lambda value: value > 0, "{:g} is not more than zero")
_FALSE_FAILOVERS: Final = must(lambda rate: rate > 0, "is not more than zero; every detector is wrong at times")


def _failure_rate_problem(failing: float) -> str | None:
    return None if 0 < failing <= 1 else f"{format_share(failing)} is not more than 0% and at most 100%"


class TimeoutSection(Section):
    """Deadlines of one probe, counted from its start."""

    connect: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.timeouts.connect_s)
    """Deadline for DNS, TCP and TLS, from the start of the probe. Change it when the provider is behind a slow
    proxy."""
    first_token: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.timeouts.first_token_s)
    """Deadline for a stream's first text. Change it when the model thinks for long."""
    total: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.timeouts.total_s)
    """Deadline for the whole answer. Change it when good answers take longer."""


class ProbingSection(Section):
    """How models are probed. Each model under `providers` may override any of it."""

    interval: Annotated[float | None, duration(at_least_s=SHORTEST_INTERVAL_S)] = key(
        None, shown=PLAIN_TARGET.interval_s
    )
    """From probe to probe of one model; at least `500ms`. Change it when outages must be noticed sooner, or probes
    cost too much."""
    timeout: TimeoutSection
    slow: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.slow_s)
    """A correct answer that took longer is `slow`; shorter than `timeout.total`. Change it when users' patience
    differs."""
    checks: Annotated[tuple[Check, ...] | None, check_turns()] = key(None, shown=PLAIN_TARGET.checks)
    """What to ask, in turn: `chat`, `stream`, `structured`, `tool`, `embedding`. With weights, `{chat: 3, stream:
    1}` asks a stream every fourth time. See [checks](probing.md#what-is-asked). Change it when your application
    streams, parses JSON, calls tools or embeds."""


class PriceSection(Section):
    """What a million tokens cost, in dollars."""

    empty_is_absent = True

    input: Annotated[float, _PRICE] = key(default_text="from the price list")
    """Dollars per million tokens of input: `price: {input: 0.10, output: 0.50, cached: 0.01}`. Change it when the
    list lacks the model, you pay otherwise, or it is free (`{input: 0, output: 0}`)."""
    output: Annotated[float, _PRICE] = key(default_text="from the price list")
    """The same for output."""
    cached: Annotated[float | None, _PRICE] = key(None, default_text="as `price.input`")
    """The same for input that the provider had cached."""


class ModelSection(ProbingSection):
    """One model: how it is probed where that differs from `defaults`."""

    parameters: Annotated[
        dict[str, Any], as_written("a mapping of what the provider takes, such as {reasoning_effort: low}")
    ] = key({}, default_text="none")
    """Laid over the body of every request, section by section, in the provider's own words: `{reasoning_effort:
    low}`. `null` removes a key. Change it when Hotspare does not know the model's family, or your application asks
    differently."""
    dimensions: Annotated[int | None, whole_number(1, LONGEST_EMBEDDING)] = key(
        None, default_text="what the model is known for"
    )
    """The length of an embedding; any will do for models that Hotspare does not know, and with `parameters`. Change
    it when shorter ones are asked for: `{parameters: {dimensions: 256}, dimensions: 256}`."""
    price: PriceSection | None = None


_DIALECT: Final = text(f"{ONE_DIALECT}, or a preset", check=lambda _: None, pattern="|".join(DIALECTS))


def _config_field(name: str) -> Value:
    """A key that only some dialects take, as they declare it."""
    declared = CONFIG_FIELDS[name]
    if declared.pattern is None:
        return flag()
    return text(declared.expected, any_kind=True, pattern=declared.pattern.pattern)


class ProviderSection(Section):
    """One provider and its models."""

    dialect: Annotated[Text | None, _DIALECT] = key(None, default_text="required, unless there is a preset")
    """The wire format. See [dialects](probing.md#who-can-be-asked)."""
    preset: Annotated[str | None, choice(PRESETS, "a preset of this version", f"one of {', '.join(PRESETS)}")] = key(
        None
    )
    """In place of `dialect`: a provider that speaks `openai-chat`, with its address and peculiarities. See
    [presets](probing.md#presets). Change it when yours is among them."""
    base_url: Annotated[Text | None, address()] = key(None, default_text="the vendor's own")
    """An http(s) address without user name, query or fragment. With `openai-chat`, `openai-responses` and presets
    it ends in the version (`https://api.openai.com/v1`), otherwise it is the host alone
    (`https://api.anthropic.com`). `azure-openai` (`https://RESOURCE.openai.azure.com`) and the preset `vertex` have
    no default. Change it when a gateway or somebody else serves the models."""
    api_key: Annotated[Text | None, secret("", "key")] = key(None, default_text="required")
    """The key, as `${NAME}`. Not needed with `signing` and the presets `vllm`, `ollama` and `litellm`; for another
    server that wants none, write any text."""
    region: Annotated[Text | None, _config_field("region")] = key(None, default_text="required for `bedrock`")
    """`bedrock` only: the account's region, such as `us-east-1`; not needed with a `base_url` and a key."""
    signing: Annotated[bool, _config_field("signing")] = key(False)
    """`bedrock` only: `true` signs requests (SigV4) with the credentials that AWS's tools would find (environment,
    profile, role), in place of `api_key`. Needs `pip install hotspare[bedrock]`. Change it when there is no Bedrock
    API key."""
    api_version: Annotated[Text | None, _config_field("api_version")] = key(None)
    """`azure-openai` only: the `api-version` of a classic resource (`2024-10-21`); a model is then named by its
    deployment. Change it when the resource is not on the v1 API."""
    status_page: Annotated[Text | None, address(f"an http(s) address, or {NO_PAGE}", instead=NO_PAGE)] = key(
        None, default_text="the vendor's own"
    )
    """Where the vendor publishes its status, or `none`; the default follows from the host of `base_url`. See
    [vendors' status pages](vendor-status.md). Change it when a gateway hides the vendor, the page moved, or it must
    not be read."""
    models: Annotated[
        dict[str, ModelSection],
        NamedEntries("model", "a name without spaces and braces (variables are expanded in values only)", r"[^\s{}]+"),
    ]
    """What to probe: models as the provider calls them, each with its settings or `{}`."""


class RouteSection(Section):
    """A name that applications ask for."""

    candidates: Annotated[
        list[Annotated[Text, text("a target")]], ListItems("a list of targets such as [openai/gpt-6-luna]", least=True)
    ]
    """Models in order of preference, as `provider/model`. A single one, or one provider's alone, brings a warning."""
    fail_over_on: Annotated[tuple[str, ...], choices(_FAIL_OVER_ON, "a health that can move a route")] = key(
        ("down", "unusable", "misconfigured")
    )
    """The health of the current target that moves the route; `degraded` may be added. Leaving out another one
    brings a warning. Change it when slow or partly wrong answers hurt more than a change of model: add
    `degraded`."""


class FailbackSection(Section):
    """How a route returns to a more preferred candidate."""

    mode: Annotated[str, choice(("auto", "manual", "steps"), "a mode of failback", "auto, manual or steps")] = key(
        _CONTROLLER.failback.mode
    )
    """How a route returns to a better candidate: `auto`, `manual` or `steps`; see [failback](#failback). Change it
    when a recovered provider deserves caution, or people decide."""
    hold_s: Annotated[float, duration()] = key(_CONTROLLER.failback.hold_s, alias="hold")
    """How long a recovered target must stay clean first. Change it when providers relapse: longer."""
    steps: Annotated[
        list[Annotated[float, share()]],
        ListItems("a list of shares such as [10%, 50%, 100%]", check=_steps_problem, whole=True),
    ] = key(list(_CONTROLLER.failback.steps))
    """The shares of requests that go back: one to ten, rising, the last `100%`."""
    step_s: Annotated[float, duration()] = key(_CONTROLLER.failback.step_s, alias="step")
    """How long each share is held. Change it when relapses show late: longer."""


class BlipsSection(Section):
    """The short disturbances that must not move a route."""

    per_day: Annotated[float, number(NOT_NEGATIVE, minimum=0)] = key(_CONTROLLER.blips.per_day)
    """Short disturbances that a provider has in a day. Change it when your network is worse or better."""
    length: Annotated[list[Annotated[float, duration()]], BLIP_LENGTH] = key(
        [_CONTROLLER.blips.shortest_s, _CONTROLLER.blips.longest_s]
    )
    """The shortest and the longest. Several probes in one blip (an `interval` below the longest) make verdicts need
    much more evidence."""
    failure_rate: Annotated[float, share(_failure_rate_problem)] = key(_CONTROLLER.blips.failure_rate)
    """The share of requests that fails meanwhile."""


class ControllerSection(Section):
    """How evidence becomes a decision."""

    detect: Annotated[float, share(_detect_problem)] = key(_CONTROLLER.detect)
    """The share of failing requests that is an outage: above `5%`, below `100%`. Smaller takes more probes to be
    sure. Change it when smaller outages hurt."""
    false_failovers_per_day: Annotated[float, rate(_FALSE_FAILOVERS)] = key(
        _CONTROLLER.false_failovers_per_day, alias="false_failovers"
    )
    """The promise, for each route: at most so many moves for nothing. The alarm threshold follows from it. Change
    it when too often is better than too late: `1 per 30d`."""
    min_outage_s: Annotated[float, duration(zero=True)] = key(_CONTROLLER.min_outage_s, alias="min_outage")
    """The shortest span of evidence that moves a route, so that shorter outages move nothing; `0s` is allowed.
    Above 5 minutes or ten intervals it brings a warning. Change it when routes move on disturbances that are over
    at once."""
    dwell_s: Annotated[float, duration()] = key(_CONTROLLER.dwell_s, alias="dwell")
    """No second move sooner, unless the current target's health is in `fail_over_on`."""
    failback: FailbackSection
    blips: BlipsSection
    dry_run: Annotated[bool, flag()] = key(_CONTROLLER.dry_run)
    """Decide, record and alert, but move no route; see [dry run](#dry-run). Change it when you want to see first
    what Hotspare would do."""


class ConnectivitySection(Section):
    """Neutral addresses that tell our own outage from a provider's."""

    endpoints: Annotated[list[Annotated[Text, address()]], ListItems("a list of http(s) addresses")] = key(
        [], shown=list(_PLAIN.connectivity_endpoints)
    )
    """Neutral addresses, asked before many providers are blamed at once: any HTTP answer means that our own network
    works. `[]`: judge by the providers alone. Change it when the machine may not reach them: name three that your
    providers have no part in."""


class NetworkSection(Section):
    """How probes leave this machine."""

    proxy: Annotated[Text | None, address("an address such as http://proxy.example:3128", userinfo=True)] = key(
        None, default_text="from the environment"
    )
    """The http(s) proxy for probes; may hold a user name and a password, best from a variable. Change it when
    probes must take another way out."""
    ca_bundle: Annotated[Text | None, text("the path of a file")] = key(None, default_text="the system's")
    """Certificates to trust, in PEM form. Change it when a company proxy presents its own."""


class RetentionSection(Section):
    """How long observations are kept."""

    raw_s: Annotated[float, duration(at_least_s=SHORTEST_RETENTION_S)] = key(_PLAIN.retention_raw_s, alias="raw")
    """How long single observations are kept; at least `1h`. Change it when the disk is small, or you look back
    further."""


class BudgetSection(Section):
    """What probing may cost."""

    usd_per_month: Annotated[float | None, number(_MORE_THAN_ZERO, exclusiveMinimum=0)] = key(
        None, default_text="no cap"
    )
    """Dollars for probing in a calendar month (UTC). Without it, cost is only shown. Change it when probing must
    not cost more, and outages may be found later."""


_NAME: Final = (
    "lower-case letters, digits, '_', '.' and '-', beginning with a letter or a digit",
    r"[a-z0-9][a-z0-9_.-]*",
)


class Configuration(Section):
    """The whole file."""

    database: Annotated[Text | None, text("an address such as sqlite:///var/hotspare.db")] = key(
        None, shown=DEFAULT_DATABASE
    )
    """Where observations, decisions and incidents are kept: SQLite only; four slashes begin an absolute path:
    `sqlite:////var/lib/hotspare/hotspare.db`. Change it when the data belongs on another disk."""
    routing_file: Annotated[Text | None, text("the path of a file")] = key(None, shown=str(DEFAULT_ROUTING_FILE))
    """The file that applications read; not the database's. Change it when they look elsewhere."""
    defaults: ProbingSection
    providers: Annotated[dict[str, ProviderSection], NamedEntries("provider", *_NAME)]
    routes: Annotated[dict[str, RouteSection], NamedEntries("route", *_NAME)]
    controller: ControllerSection
    alerts: AlertsSection
    connectivity: ConnectivitySection
    network: NetworkSection
    retention: RetentionSection
    budget: BudgetSection
