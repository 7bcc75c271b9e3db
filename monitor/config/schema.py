"""Every key of the configuration: what may be written, its default, what it does, and when to change it.

`docs/configuration.md` and `hotspare check --schema` are made from this. Rules that concern several keys are in
`monitor.config.build`.
"""

from itertools import pairwise
from typing import Annotated, Any, Final

from monitor.config.reading import Text
from monitor.config.schema_alerts import AlertsSection
from monitor.config.section import Items, Named, Section, key
from monitor.config.values import (
    Value,
    address,
    as_written,
    check_turns,
    choice,
    choices,
    duration,
    durations,
    flag,
    number,
    rate,
    secret,
    share,
    text,
    whole_number,
    word,
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
_DIALECT_PATTERN: Final = rf"^({'|'.join(DIALECTS)})$|\$\{{"
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


def _rate_problem(per_day: float) -> str | None:
    return None if per_day > 0 else "is not more than zero; no detector is never wrong"


def failure_rate_problem(failing: float) -> str | None:
    """What is wrong with the share of requests that fail."""
    return None if 0 < failing <= 1 else f"{format_share(failing)} is not more than 0% and at most 100%"


def negative_problem(value: float) -> str | None:
    """What is wrong with a number that must not be negative."""
    return None if value >= 0 else f"{value:g} is not zero or more"


def _budget_problem(usd: float) -> str | None:
    return None if usd > 0 else f"{usd:g} is not more than zero"


def _price_problem(usd: float) -> str | None:
    wrong = f"{usd:g} is not a price in dollars per million tokens; expected 0 to {_HIGHEST_USD:g}"
    return None if 0 <= usd <= _HIGHEST_USD else wrong


_PRICE: Final = number(_price_problem, "dollars per million tokens, such as 0.10", minimum=0, maximum=_HIGHEST_USD)


class TimeoutSection(Section):
    """Deadlines of one probe, counted from its start."""

    connect: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.timeouts.connect_s)
    """Deadline for DNS, TCP and TLS, from the start of the probe. Change it when the provider is behind a slow
    proxy.
    """
    first_token: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.timeouts.first_token_s)
    """Deadline for the first piece of text of a stream. Change it when the model thinks for long before it answers."""
    total: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.timeouts.total_s)
    """Deadline for the whole answer. Change it when a good answer takes longer than this."""


class ProbingSection(Section):
    """How models are probed. Each model under `providers` may override any of it."""

    interval: Annotated[float | None, duration(at_least_s=SHORTEST_INTERVAL_S)] = key(
        None, shown=PLAIN_TARGET.interval_s
    )
    """From probe to probe of one model; at least `500ms`. Change it when outages must be noticed sooner (and probes
    may cost more), or the other way round.
    """
    timeout: TimeoutSection
    slow: Annotated[float | None, duration()] = key(None, shown=PLAIN_TARGET.slow_s)
    """A correct answer that took longer counts as `slow`; shorter than `timeout.total`. Change it when users would
    call it slow sooner or later than that.
    """
    checks: Annotated[tuple[Check, ...] | None, check_turns()] = key(None, shown=PLAIN_TARGET.checks)
    """What to ask, in turn: any of `chat`, `stream`, `structured`, `tool`, `embedding`; as a list, or with weights:
    `{chat: 3, stream: 1}` asks a stream every fourth time. See [checks](probing.md#what-is-asked). Change it when
    your application streams, parses JSON, calls tools or embeds; an embedding model: `[embedding]`.
    """


class PriceSection(Section):
    """What a million tokens cost, in dollars."""

    empty_is_absent = True

    input: Annotated[float, _PRICE] = key(shown="(from the price list)")
    """What a million tokens of input cost, in dollars: `price: {input: 0.10, output: 0.50, cached: 0.01}`; with it
    goes `output`. Without `price`, the price list's. See [budget](#budget). Change it when the list does not know
    the model, you pay another price, or it is free (`{input: 0, output: 0}`).
    """
    output: Annotated[float, _PRICE] = key(shown="(from the price list)")
    """The same for output."""
    cached: Annotated[float | None, _PRICE] = key(None, shown="(as `price.input`)")
    """The same for input that the provider had cached."""


class ModelSection(ProbingSection):
    """One model: how it is probed where that differs from `defaults`."""

    parameters: Annotated[
        dict[str, Any], as_written("a mapping of what the provider takes, such as {reasoning_effort: low}")
    ] = key({}, shown="(none)")
    """Laid over the body of every request, section by section, in the provider's own words: `{reasoning_effort:
    low, max_completion_tokens: 200}`. `null` removes a key. Change it when Hotspare does not know the model's
    family, or your application asks in another way.
    """
    dimensions: Annotated[int | None, whole_number(1, LONGEST_EMBEDDING, str(LONGEST_EMBEDDING))] = key(
        None, shown="(what the model is known for)"
    )
    """How long an embedding must be; any length is accepted for a model that Hotspare does not know, and where
    there are `parameters`. Change it when the model is asked for shorter ones: `{parameters: {dimensions: 256},
    dimensions: 256}`.
    """
    price: PriceSection | None = None


_MODEL_NAME: Final = ("a name without spaces and braces (variables are expanded in values only)", r"[^\s{}]+")


def _config_field(name: str) -> Value:
    """A key that only some dialects take, as they declare it."""
    declared = CONFIG_FIELDS[name]
    return word(declared.expected, declared.pattern.pattern) if declared.pattern else flag()


class ProviderSection(Section):
    """One provider and its models."""

    dialect: Annotated[Text | None, text(f"{ONE_DIALECT}, or a preset", pattern=rf"^({'|'.join(DIALECTS)})$|\$\{{")] = (
        key(None, shown="(required, unless there is a preset)")
    )
    """The wire format: `DIALECTS`."""
    preset: Annotated[str | None, choice(PRESETS, "a preset of this version", f"one of {', '.join(PRESETS)}")] = key(
        None
    )
    """In place of `dialect`: a provider that speaks `openai-chat`, with its address and its peculiarities known.
    See [presets](probing.md#presets). Change it when your provider is among them.
    """
    base_url: Annotated[Text | None, address()] = key(None, shown="(the vendor's own)")
    """An http(s) address without user name, query or fragment. For `openai-chat`, `openai-responses` and presets it
    ends in the version (`https://api.openai.com/v1`), for the others it is the host alone
    (`https://api.anthropic.com`, `https://generativelanguage.googleapis.com`, `https://api.cohere.com`).
    `azure-openai` and the preset `vertex` have none of their own: `https://RESOURCE.openai.azure.com`. Change it
    when the models are served by somebody else, or through a gateway.
    """
    api_key: Annotated[Text | None, secret("", "key")] = key(None, shown="(required)")
    """The key, as `${NAME}`. Not needed with `signing` and with the presets `vllm`, `ollama` and `litellm`; for
    another server on your own machine that wants none, any text does.
    """
    region: Annotated[str | None, _config_field("region")] = key(None, shown="(required for `bedrock`)")
    """`bedrock` only: the region of the account, such as `us-east-1`, unless there is a `base_url` and a key."""
    signing: Annotated[bool, _config_field("signing")] = key(False)
    """`bedrock` only: `true` signs requests (SigV4) with the credentials that AWS's tools would find (environment,
    profile, role of the machine), in place of `api_key`. Needs `pip install hotspare[bedrock]`. Change it when
    there is no Bedrock API key.
    """
    api_version: Annotated[str | None, _config_field("api_version")] = key(None)
    """`azure-openai` only: the `api-version` of a resource of the classic kind (`2024-10-21`); the model's name is
    then that of the deployment in the address. Change it when the resource is not on the v1 API.
    """
    status_page: Annotated[Text | None, address(f"an http(s) address, or {NO_PAGE}", instead=NO_PAGE)] = key(
        None, shown="(the vendor's own)"
    )
    """Where the vendor publishes its status: an http(s) address, or `none`. Known for OpenAI, Anthropic, Vertex,
    Bedrock, Azure, Groq, Cohere, Fireworks, Perplexity, Together, OpenRouter, xAI and DeepSeek, by the host of
    `base_url`. See [vendors' status pages](vendor-status.md). Change it when you reach the vendor through a
    gateway; the page has moved; or the machine may not read it: `none`.
    """
    models: Annotated[
        dict[str, ModelSection],
        Named(
            "model", "a name without spaces and braces (variables are expanded in values only)", r"[^\s{}]+", "MODEL"
        ),
    ]
    """What to probe: each key is a model as the provider calls it, each value its settings or `{}`."""


class RouteSection(Section):
    """A name that applications ask for."""

    candidates: Annotated[
        list[Annotated[Text, text("a target")]], Items("a list of targets such as [openai/gpt-6-luna]", least=True)
    ]
    """Models in order of preference, each as `provider/model`. One candidate, or candidates of one provider only,
    bring a warning: an outage then leaves nowhere to go.
    """
    fail_over_on: Annotated[tuple[str, ...], choices(_FAIL_OVER_ON, "a health that can move a route")] = key(
        ("down", "unusable", "misconfigured")
    )
    """Which health of the current target moves the route: any of `degraded`, `unusable`, `down`, `misconfigured`.
    Leaving out one of the last three brings a warning: the route stays on such a target. Change it when slow or
    partly wrong answers hurt more than a change of model: add `degraded`.
    """


class FailbackSection(Section):
    """How a route returns to a more preferred candidate."""

    mode: Annotated[str, choice(("auto", "manual", "steps"), "a mode of failback", "auto, manual or steps")] = key(
        _CONTROLLER.failback.mode
    )
    """How a route returns to a better candidate that has recovered: `auto` at once, `manual` never by itself,
    `steps` share by share; see [failback](#failback). Change it when a recovered provider deserves caution:
    `steps`; people want the last word: `manual`.
    """
    hold_s: Annotated[float, duration()] = key(_CONTROLLER.failback.hold_s, alias="hold")
    """How long a recovered target must stay clean before routes return to it. Change it when providers relapse
    after they have come back: longer.
    """
    steps: Annotated[
        list[Annotated[float, share()]],
        Items("a list of shares such as [10%, 50%, 100%]", check=_steps_problem, whole=True),
    ] = key(list(_CONTROLLER.failback.steps), shown=[format_share(share) for share in _CONTROLLER.failback.steps])
    """With mode `steps`: the shares of the requests that go back, one after the other. One to ten, rising, the last
    one `100%`.
    """
    step_s: Annotated[float, duration()] = key(_CONTROLLER.failback.step_s, alias="step")
    """With mode `steps`: how long each share is held, the target `up` all the while, before the next one. Change it
    when a relapse shows late: longer.
    """


class BlipsSection(Section):
    """The short disturbances that must not move a route."""

    per_day: Annotated[float, number(negative_problem, minimum=0)] = key(_CONTROLLER.blips.per_day)
    """How many short disturbances a day a provider is expected to have. Change it when your network is worse or
    better; with an interval below the longest blip several probes fall into one, and verdicts need much more
    evidence.
    """
    length: Annotated[tuple[float, float], durations((_CONTROLLER.blips.shortest_s, _CONTROLLER.blips.longest_s))] = (
        key((_CONTROLLER.blips.shortest_s, _CONTROLLER.blips.longest_s))
    )
    """How long they last, shortest and longest."""
    failure_rate: Annotated[float, share(failure_rate_problem)] = key(_CONTROLLER.blips.failure_rate)
    """The share of requests that fails meanwhile."""


class ControllerSection(Section):
    """How evidence becomes a decision."""

    detect: Annotated[float, share(_detect_problem)] = key(_CONTROLLER.detect)
    """The share of failing requests that counts as an outage; more than `5%`, less than `100%`. Smaller is more
    sensitive and takes more probes to be sure. Change it when partial outages below it hurt you.
    """
    false_failovers_per_day: Annotated[float, rate(_rate_problem)] = key(
        _CONTROLLER.false_failovers_per_day, alias="false_failovers"
    )
    """The promise: at most so many moves for nothing, for each route. The alarm threshold follows from it. Change
    it when you would rather move too often than too late: `1 per 30d`.
    """
    min_outage_s: Annotated[float, duration(zero=True)] = key(_CONTROLLER.min_outage_s, alias="min_outage")
    """The shortest span of evidence that may move a route; `0s` is allowed. More than 5 minutes, or than ten
    intervals, brings a warning: an outage shorter than that moves nothing. Change it when routes move on
    disturbances that are over at once: longer.
    """
    dwell_s: Annotated[float, duration()] = key(_CONTROLLER.dwell_s, alias="dwell")
    """No second move of a route sooner, unless the current target's health is in `fail_over_on`."""
    failback: FailbackSection
    blips: BlipsSection
    dry_run: Annotated[bool, flag()] = key(_CONTROLLER.dry_run)
    """`true`: watch, decide, record and alert, but leave every route at its first candidate; see [dry
    run](#dry-run). Change it when you want to see what Hotspare would do before it does it.
    """


class ConnectivitySection(Section):
    """Neutral addresses that tell our own outage from a provider's."""

    endpoints: Annotated[list[Annotated[Text, address()]], Items("a list of http(s) addresses")] = key(
        [], shown=list(_PLAIN.connectivity_endpoints)
    )
    """Neutral addresses, asked before many providers are blamed at once; any HTTP answer means that our own network
    works. `[]`: judge from the providers alone. Change it when the machine may not reach them: name three that it
    may and that have nothing to do with your providers.
    """


class NetworkSection(Section):
    """How probes leave this machine."""

    proxy: Annotated[Text | None, address("an address such as http://proxy.example:3128", userinfo=True)] = key(
        None, shown="(the environment's proxy variables)"
    )
    """The http(s) proxy for probes; a user name and a password may stand in it, best from a variable. Change it
    when probes must take another way out than the environment says.
    """
    ca_bundle: Annotated[Text | None, text("the path of a file")] = key(None, shown="(the system's certificates)")
    """A file of certificates in PEM form to trust. Change it when a company proxy presents its own certificates."""


class RetentionSection(Section):
    """How long observations are kept."""

    raw_s: Annotated[float, duration(at_least_s=SHORTEST_RETENTION_S)] = key(_PLAIN.retention_raw_s, alias="raw")
    """How long single observations are kept; at least `1h`. Change it when the disk is small, or you look back
    further.
    """


class BudgetSection(Section):
    """What probing may cost."""

    usd_per_month: Annotated[float | None, number(_budget_problem, exclusiveMinimum=0)] = key(None, shown="(no cap)")
    """What probing may cost in a calendar month (UTC), in dollars. Without it, cost is only shown. Change it when
    you would rather hear of outages later than pay more.
    """


_NAME: Final = (
    "lower-case letters, digits, '_', '.' and '-', beginning with a letter or a digit",
    r"[a-z0-9][a-z0-9_.-]*",
)


class Configuration(Section):
    """The whole file."""

    database: Annotated[Text | None, text("an address such as sqlite:///var/hotspare.db")] = key(
        None, shown=DEFAULT_DATABASE
    )
    """Where observations, decisions and incidents are kept. SQLite only; four slashes begin an absolute path:
    `sqlite:////var/lib/hotspare/hotspare.db`. Change it when the data belongs on another disk.
    """
    routing_file: Annotated[Text | None, text("the path of a file")] = key(None, shown=str(DEFAULT_ROUTING_FILE))
    """The file that applications read. Must not be the database's. Change it when applications look elsewhere."""
    defaults: ProbingSection
    providers: Annotated[dict[str, ProviderSection], Named("provider", *_NAME)]
    routes: Annotated[dict[str, RouteSection], Named("route", *_NAME)]
    controller: ControllerSection
    alerts: AlertsSection
    connectivity: ConnectivitySection
    network: NetworkSection
    retention: RetentionSection
    budget: BudgetSection
