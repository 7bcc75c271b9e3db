"""Every setting, frozen: its default and unit, what may be written in the file, what it does, and when to change it.

`docs/configuration.md` and `hotspare check --schema` are made from this.
"""

import os.path
import ssl
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from monitor.config.alert_settings import AlertSettings
from monitor.config.document import Node, Place, Sequence
from monitor.config.owner import OwnerSection
from monitor.config.provider_sections import ProbingSection, ProviderSection, build_targets
from monitor.config.reading import ReadContext
from monitor.config.retention import RetentionSettings
from monitor.config.section import Key, NamedSections, Section
from monitor.config.values import (
    Value,
    address,
    choice,
    choices,
    duration,
    flag,
    items,
    must,
    number,
    rate,
    share,
    text,
)
from monitor.formatting import format_duration, format_share, plural
from monitor.health import FAILING, WORST_FIRST, Health
from probes.target import Provider, Target

#: The largest background failure rate that a target is believed to have.
LARGEST_BACKGROUND: Final = 0.05
#: The detector needs some history after a restart, and the page something to show.
_MOST_STEPS: Final = 10
_FAIL_OVER_ON: Final = tuple(map(str, (Health.DEGRADED, Health.UNUSABLE, Health.DOWN, Health.MISCONFIGURED)))
_SQLITE: Final = "sqlite:///"
_IN_MEMORY: Final = frozenset({"sqlite://", "sqlite:///", "sqlite:///:memory:"})
_DAY_S: Final = 86400.0
#: Of the time that blips may take: more of it could not be told from an outage that comes and goes.
_MOST_IN_BLIPS: Final = 0.05
_LONG_OUTAGE_S, _LONG_OUTAGE_INTERVALS = 300.0, 10


def _detect_problem(detect: float) -> str | None:
    shown = format_share(detect)
    if detect <= LARGEST_BACKGROUND:
        return f"{shown} is not above the background rate a target may have (up to {format_share(LARGEST_BACKGROUND)})"
    if detect >= 1:
        return f"{shown} is not below 100%: only outages that fail every single request would be found"
    return None


def _steps_problem(shares: tuple[float, ...]) -> str | None:
    if not 1 <= len(shares) <= _MOST_STEPS:
        return f"has {plural(len(shares), 'step')}; expected 1 to {_MOST_STEPS} of them, the last one 100%"
    if any(after <= before for before, after in pairwise((0.0, *shares))):
        return "does not rise; expected shares above 0%, each larger than the one before: [10%, 50%, 100%]"
    if shares[-1] != 1:
        return f"ends at {format_share(shares[-1])}; the last step is 100%, or the failback would never be complete"
    return None


def _blip_length_problem(length: tuple[float, ...]) -> str | None:
    if len(length) != 2:
        return f"expected two durations such as [3s, 8s], found {len(length)}"
    if length[0] > length[1]:
        return "expected two durations such as [3s, 8s], the shorter one first"
    return None


BLIP_LENGTH: Final = items(duration(), "two durations such as [3s, 8s]", _blip_length_problem, length=2)
BLIPS_PER_DAY: Final = number(must(lambda value: value >= 0, "{:g} is not zero or more"), minimum=0)
_MORE_THAN_ZERO: Final = must(lambda value: value > 0, "{:g} is not more than zero")
_FALSE_FAILOVERS: Final = must(lambda rate: rate > 0, "is not more than zero; every detector is wrong at times")
_FILE: Final = text("the path of a file", placed=True)


def _slo_problem(value: float) -> str | None:
    return None if 0 < value < 1 else f"{format_share(value)} is not between 0% and 100%"


def _failure_rate_problem(failing: float) -> str | None:
    return None if 0 < failing <= 1 else f"{format_share(failing)} is not more than 0% and at most 100%"


def _file_problem(path: str) -> str | None:
    if not path.isprintable():
        return "holds a control character; expected the path of a file"
    # Not Path.is_dir, here and below: for a name that is too long it raises.
    folder = path.endswith("/") or os.path.isdir(path)  # noqa: PTH112 - see above
    return "is a folder; expected the path of a file" if folder else None


def _read_file(node: Node, context: ReadContext) -> Path:
    path = _FILE.read(node, context)
    problem = _file_problem(path)
    # Commands that only read must start in order to show what is wrong with the files.
    if problem and context.keys:
        raise context.refuse(path, problem)
    return Path(path)


def _read_certificates(node: Node, context: ReadContext) -> Path:
    bundle = _read_file(node, context)
    if not os.path.isfile(bundle):  # noqa: PTH113 - see _file_problem
        raise context.report(node.place, "there is no such file; expected certificates in PEM form")
    try:
        ssl.create_default_context(cafile=bundle)
    except OSError:  # what ssl raises is one, too
        raise context.report(node.place, "holds no certificates; expected them in PEM form") from None
    return bundle


def _database_problem(url: str) -> str | None:
    # An address may hold a password, so it is never shown.
    if url in _IN_MEMORY:
        return "a database in memory forgets everything when the service stops; write sqlite:/// and the path of a file"
    if not url.startswith(_SQLITE):
        return "is not a database of this version; write sqlite:/// and the path of a file"
    file = url.removeprefix(_SQLITE)
    if file.startswith("file:") or "?" in file:
        return "holds options, which this version does not know; write sqlite:/// and the path of a file"
    return _file_problem(file)


def _read_candidates(node: Node, context: ReadContext) -> tuple[str, ...]:
    if not isinstance(node, Sequence) or not node.items:
        raise context.reject(node, _CANDIDATES)
    good: dict[str, Target] = {}
    for name in context.texts(node, "a target"):
        if name in good:
            context.refuse(name, "is here twice")
        elif name not in context.targets:
            hint = context.problems.did_you_mean(name, context.targets) or "; expected provider/model from providers"
            context.refuse(name, f"is not a target{hint}")
        else:
            good[name] = context.targets[name]
    if len(good) == len(node.items):
        _warn_about_redundancy(node.place, list(good.values()), context)
    return tuple(map(str, good))


def _warn_about_redundancy(place: Place, candidates: list[Target], context: ReadContext) -> None:
    providers = {target.provider.name for target in candidates}
    if len(candidates) == 1:
        context.problems.warn(place, "a single candidate: there is nothing to fail over to")
    elif len(providers) == 1:
        name = context.problems.shown(providers.pop())
        context.problems.warn(place, f"all candidates are at {name}: an outage of that provider takes the route down")


_CANDIDATES: Final = "a list of targets such as [openai/gpt-6-luna]"
_TARGETS: Final = Value(
    expected=_CANDIDATES, read=_read_candidates, schema={"type": "array", "items": {"type": "string"}}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Section):
    """A name that applications ask for."""

    name: str = ""
    candidates: Annotated[tuple[str, ...], _TARGETS]
    """Models in order of preference, as `provider/model`. A single one, or one provider's alone, brings a warning."""
    fail_over_on: Annotated[
        frozenset[Health],
        choices(_FAIL_OVER_ON, "a health that can move a route"),
        Key(shown=("down", "unusable", "misconfigured")),
    ] = FAILING
    """The health of the current target that moves the route; `degraded` may be added. Leaving out another one
    brings a warning. Change it when slow or partly wrong answers hurt more than a change of model: add
    `degraded`."""
    slo: Annotated[float | None, share(_slo_problem), Key(default_text="none")] = None
    """The share of the time in which users are to be served, such as `99.9%`: the [report](commands.md#report) counts
    against it. Change it when an objective was agreed on."""

    owner: OwnerSection | None = None

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """A target that serves nobody should move the route."""
        left_out = [health for health in WORST_FIRST if health in FAILING - self.fail_over_on]
        if left_out:
            problem = f"leaves out {', '.join(left_out)}: the route stays on a target that is {' or '.join(left_out)}"
            context.problems.warn(node.at("fail_over_on"), problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failback(Section):
    """How a route returns to a more preferred candidate."""

    mode: Annotated[
        Literal["auto", "manual", "steps"],
        choice(("auto", "manual", "steps"), "a mode of failback", "auto, manual or steps"),
    ] = "auto"
    """How a route returns to a better candidate: `auto`, `manual` or `steps`; see [failback](#failback). Change it
    when a recovered provider deserves caution, or people decide."""
    hold_s: Annotated[float, duration()] = 300.0
    """How long a recovered target is held first; failures lengthen it. Change it when providers relapse: longer."""
    steps: Annotated[tuple[float, ...], items(share(), "a list of shares such as [10%, 50%, 100%]", _steps_problem)] = (
        0.1,
        0.5,
        1.0,
    )
    """The shares of requests that go back: one to ten, rising, the last `100%`."""
    step_s: Annotated[float, duration()] = 120.0
    """How long each share is held. Change it when relapses show late: longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blips(Section):
    """The short disturbances that must not move a route."""

    per_day: Annotated[float, BLIPS_PER_DAY] = 5.0
    """Short disturbances that a provider has in a day. Change it when your network is worse or better."""
    length: Annotated[tuple[float, float], BLIP_LENGTH] = (3.0, 8.0)
    """The shortest and the longest. Several probes in one blip (an `interval` below the longest) make verdicts need
    much more evidence."""
    failure_rate: Annotated[float, share(_failure_rate_problem)] = 0.9
    """The share of requests that fails meanwhile."""

    @property
    def shortest_s(self) -> float:
        """How long a blip lasts at least."""
        return self.length[0]

    @property
    def longest_s(self) -> float:
        """How long a blip lasts at most."""
        return self.length[1]

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Blips are rare and short."""
        taken = self.per_day * sum(self.length) / 2 / _DAY_S
        if taken > _MOST_IN_BLIPS:
            problem = (
                f"takes {format_share(round(taken, 3))} of the day, which is an outage and no blip;"
                f" expected per_day × length to come to {format_share(_MOST_IN_BLIPS)} at the most"
            )
            context.report(node.place, problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings(Section):
    """How evidence becomes a decision."""

    detect: Annotated[float, share(_detect_problem)] = 0.30
    """The share of failing requests that is an outage: above `5%`, below `100%`. Smaller takes more probes to be
    sure. Change it when smaller outages hurt."""
    false_failovers_per_day: Annotated[float, rate(_FALSE_FAILOVERS), Key(name="false_failovers")] = 1 / 90
    """The promise, for each route: at most so many moves for nothing. The alarm threshold follows from it. Change
    it when too often is better than too late: `1 per 30d`."""
    min_outage_s: Annotated[float, duration(zero=True)] = 15.0
    """The shortest span of evidence that moves a route; `0s` is allowed. Sooner only where probes asked afresh still
    fail when the longest blip must be over; not above `15s`, so that shorter outages then move nothing. Above 5
    minutes or ten intervals it brings a warning. Change it when routes move on disturbances that are over at once."""
    dwell_s: Annotated[float, duration()] = 60.0
    """No second move sooner, unless the current target's health is in `fail_over_on`."""
    failback: Failback = Failback()
    blips: Blips = Blips()
    spend_where_used: Annotated[bool, flag()] = False
    """Probe a model that a route is on at two thirds of its interval or half, and those of providers that only wait at
    twice theirs, at the same cost; see [spending where users are](#spending-where-users-are). Change it when an
    outage of the provider in use is to be noticed sooner for no more money."""
    dry_run: Annotated[bool, flag()] = False
    """Decide, record and alert, but move no route; see [dry run](#dry-run). Change it when you want to see first
    what Hotspare would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectivitySettings(Section):
    """Neutral addresses that tell our own outage from a provider's."""

    endpoints: Annotated[tuple[str, ...], items(address(), "a list of http(s) addresses")] = (
        "https://one.one.one.one",
        "https://www.google.com/generate_204",
        "https://www.apple.com",
    )
    """Neutral addresses, asked before many providers are blamed at once: any HTTP answer means that our own network
    works. `[]`: judge by the providers alone. Change it when the machine may not reach them: name three that your
    providers have no part in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings(Section):
    """How probes leave this machine."""

    proxy: Annotated[
        str | None,
        address("an address such as http://proxy.example:3128", userinfo=True),
        Key(default_text="from the environment"),
    ] = None
    """The http(s) proxy for probes; may hold a user name and a password, best from a variable. Change it when
    probes must take another way out."""
    ca_bundle: Annotated[Path | None, replace(_FILE, read=_read_certificates), Key(default_text="the system's")] = None
    """Certificates to trust, in PEM form. Change it when a company proxy presents its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings(Section):
    """What probing may cost."""

    usd_per_month: Annotated[float | None, number(_MORE_THAN_ZERO, exclusiveMinimum=0), Key(default_text="no cap")] = (
        None
    )
    """Dollars for probing in a calendar month (UTC). Without it, cost is only shown. Change it when probing must
    not cost more, and outages may be found later."""


_NAME: Final = (
    "lower-case letters, digits, '_', '.' and '-', beginning with a letter or a digit",
    r"[a-z0-9][a-z0-9_.-]*",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Section):
    """The whole file."""

    path: Path = Path()
    """The file it came from."""
    warnings: tuple[str, ...] = ()
    """Of the loader, each a sentence with its place."""
    database: Annotated[str, text("an address such as sqlite:///var/hotspare.db")] = "sqlite:///var/hotspare.db"
    """Where observations, decisions and incidents are kept: SQLite only; four slashes begin an absolute path:
    `sqlite:////var/lib/hotspare/hotspare.db`. Change it when the data belongs on another disk."""
    routing_file: Annotated[Path, replace(_FILE, read=_read_file, show=str)] = Path("var/routing.json")
    """The file that applications read; not the database's. Change it when they look elsewhere."""
    defaults: ProbingSection = field(default=ProbingSection(), repr=False, compare=False)
    targets: Annotated[
        tuple[Target, ...],
        NamedSections(
            kind=ProviderSection, what="provider", name_expected=_NAME[0], pattern=_NAME[1], build=build_targets
        ),
        Key(name="providers", required=True),
    ] = ()
    routes: Annotated[
        tuple[Route, ...],
        NamedSections(
            kind=Route,
            what="route",
            name_expected=_NAME[0],
            pattern=_NAME[1],
            build=lambda routes, _: tuple(replace(route, name=name) for name, route in routes.items()),
        ),
        Key(required=True),
    ] = ()
    controller: ControllerSettings = ControllerSettings()
    alerts: AlertSettings = field(default_factory=AlertSettings)
    connectivity: ConnectivitySettings = ConnectivitySettings()
    network: NetworkSettings = NetworkSettings()
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    budget: BudgetSettings = BudgetSettings()

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Every provider that has a target, in the order of the file."""
        return tuple({t.provider.name: t.provider for t in self.targets}.values())

    def target(self, target_id: str) -> Target:
        """The target with this id; raises KeyError when there is none."""
        return {target.id: target for target in self.targets}[target_id]

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """The files are two files that can be used, and the controller's times go with the targets' intervals."""
        is_stored = context.stores or self.database not in _IN_MEMORY
        if problem := _database_problem(self.database) if is_stored else None:
            context.report(node.at("database"), problem)
        elif os.path.realpath(self.database.removeprefix(_SQLITE)) == os.path.realpath(self.routing_file):
            context.report(node.at("routing_file"), "is the file of the database as well; choose another one")
        self._warn_of_blips(node.child("controller").child("blips").place, context)
        self._warn_of_long_outages(node.child("controller"), context)

    def _warn_of_blips(self, place: Place, context: ReadContext) -> None:
        """Warn where several probes in a row can fall into one blip."""
        longest_s = self.controller.blips.longest_s
        fastest_s = min((target.interval_s for target in self.targets if not target.is_sentinel), default=longest_s)
        if self.controller.blips.per_day and fastest_s < longest_s:
            text = (
                f"several probes that are {format_duration(fastest_s)} apart can fall into one blip of up to"
                f" {format_duration(longest_s)} (blips.length): a verdict then needs more evidence, and time"
            )
            context.problems.warn(place, text)

    def _warn_of_long_outages(self, node: Node, context: ReadContext) -> None:
        """Warn where `min_outage` is so long that real outages are over before anything moves."""
        slowest_s = max((target.interval_s for target in self.targets), default=_LONG_OUTAGE_S)
        longest_s = min(_LONG_OUTAGE_S, _LONG_OUTAGE_INTERVALS * slowest_s)
        chosen_s = self.controller.min_outage_s
        if chosen_s > longest_s and chosen_s != ControllerSettings().min_outage_s:
            text = f"{format_duration(chosen_s)} is long: an outage shorter than that moves nothing"
            context.problems.warn(node.at("min_outage"), text)
