"""Every setting, frozen: its default and unit, what may be written in the file, what it does, and when to change it.

`docs/configuration.md` and `hotspare check --schema` are made from this.
"""

import os.path
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ValidationInfo

from monitor.config.alert_settings import AlertSettings
from monitor.config.api_settings import ApiSettings
from monitor.config.controller_settings import ControllerSettings
from monitor.config.database_url import EXPECTED, is_postgres, postgres_problem
from monitor.config.document import Node, Place
from monitor.config.page_settings import PageSettings
from monitor.config.provider_sections import ProbingSection, ProviderSection
from monitor.config.provider_targets import build_targets
from monitor.config.reading import ReadContext
from monitor.config.regions import REGIONS, routes_in_regions, routes_meant, targets_meant
from monitor.config.retention import RetentionSettings
from monitor.config.route import Route
from monitor.config.section import Key, NamedSections, Section
from monitor.config.trace_settings import TraceSettings
from monitor.config.traffic_settings import TrafficSettings
from monitor.config.values import (
    address,
    items,
    must,
    number,
    text,
)
from monitor.config.windows import DrillSection, FreezeWindow, MaintenanceWindow
from monitor.formatting import format_duration
from probes.target import Provider, Target

_SQLITE: Final = "sqlite:///"
_IN_MEMORY: Final = frozenset({"sqlite://", "sqlite:///", "sqlite:///:memory:"})
_LONG_OUTAGE_S, _LONG_OUTAGE_INTERVALS = 300.0, 10
_MORE_THAN_ZERO: Final = must(lambda value: value > 0, "{:g} is not more than zero")
_FILE: Final = text("the path of a file", placed=True)


def _file_problem(path: str) -> str | None:
    if not path.isprintable():
        return "holds a control character; expected the path of a file"
    # Not Path.is_dir, here and below: for a name that is too long it raises.
    if path.endswith("/") or os.path.isdir(path):  # noqa: PTH112 - see above
        return "is a folder; expected the path of a file"
    # What replaces a device or a pipe takes it from every program of the machine.
    other = os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113 - see above
    return "is a device, a pipe or a socket; expected the path of a file" if other else None


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
    if is_postgres(url):
        return postgres_problem(url)
    if not url.startswith(_SQLITE):
        return f"is not a database of this version; write sqlite:/// and the path of a file, or {EXPECTED}"
    file = url.removeprefix(_SQLITE)
    if file.startswith("file:") or "?" in file:
        return "holds options, which this version does not know; write sqlite:/// and the path of a file"
    return _file_problem(file)


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
    """Dollars for probing in a calendar month (UTC). Without it, cost is only shown. Change it when probing must not
    cost more."""


def _build_routes(sections: dict[str, Route], info: ValidationInfo[ReadContext]) -> tuple[Route, ...]:
    return tuple(routes_in_regions(sections, info.data["regions"], info.data["targets"], info.context))


def _build_maintenance(
    sections: dict[str, MaintenanceWindow], info: ValidationInfo[ReadContext]
) -> tuple[MaintenanceWindow, ...]:
    return tuple(
        replace(section, name=name, of=target)
        for name, section in sections.items()
        for target in targets_meant(section.of, info.data["targets"]) or (section.of,)
    )


def _build_freezes(sections: dict[str, FreezeWindow], info: ValidationInfo[ReadContext]) -> tuple[FreezeWindow, ...]:
    return tuple(
        replace(section, name=name, of=route)
        for name, section in sections.items()
        for route in routes_meant(section.of, info.data["routes"]) or (section.of,)
    )


def _build_drills(sections: dict[str, DrillSection], info: ValidationInfo[ReadContext]) -> tuple[DrillSection, ...]:
    return tuple(
        replace(section, name=route)
        for name, section in sections.items()
        for route in routes_meant(name, info.data["routes"]) or (name,)
    )


_NAME: Final = (
    "lower-case letters, digits, '_', '.' and '-', beginning with a letter or a digit",
    r"[a-z0-9][a-z0-9_.-]*",
)


def _planned(kind: type[Section], build: Callable[..., Any]) -> NamedSections:
    return NamedSections(kind=kind, what="window", name_expected=_NAME[0], pattern=_NAME[1], build=build, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Section):
    """The whole file."""

    path: Path = Path()
    """The file it came from."""
    warnings: tuple[str, ...] = ()
    """Of the loader, each a sentence with its place."""
    revision: str = field(default="", compare=False)
    """Names what the file says: seven hexadecimal digits of its SHA-256."""
    files: tuple[Path, ...] = field(default=(), compare=False)
    """The files whose values it holds (`${file:PATH}`)."""
    variables: tuple[str, ...] = field(default=(), compare=False)
    """The environment variables whose values it holds."""
    database: Annotated[str, text("an address such as sqlite:///var/hotspare.db")] = field(
        default="sqlite:///var/hotspare.db", repr=False
    )
    """Where observations, decisions and incidents are kept: in a file of SQLite, where four slashes begin an absolute
    path (`sqlite:////var/lib/hotspare/hotspare.db`), or in PostgreSQL (`postgresql+psycopg://…`). Change it when the
    data belongs on another disk, or on another machine."""
    routing_file: Annotated[Path, replace(_FILE, read=_read_file, show=str)] = Path("var/routing.json")
    """The file that applications read; not the database's. Change it when they look elsewhere."""
    regions: Annotated[tuple[str, ...], REGIONS, Key(default_text="none")] = ()
    """Where several machines probe, each for the applications of its region: `[eu, us]`. See [regions](regions.md).
    Change it when applications in several regions must not depend on one region's view."""
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
            build=_build_routes,
        ),
        Key(required=True),
    ] = ()
    maintenance: Annotated[
        tuple[MaintenanceWindow, ...],
        _planned(MaintenanceWindow, _build_maintenance),
    ] = ()
    freeze: Annotated[
        tuple[FreezeWindow, ...],
        _planned(FreezeWindow, _build_freezes),
    ] = ()
    drills: Annotated[
        tuple[DrillSection, ...],
        _planned(DrillSection, _build_drills),
    ] = ()
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    connectivity: ConnectivitySettings = ConnectivitySettings()
    network: NetworkSettings = NetworkSettings()
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    budget: BudgetSettings = BudgetSettings()
    ui: PageSettings = field(default_factory=PageSettings)
    traffic: TrafficSettings | None = None
    api: ApiSettings = field(default_factory=ApiSettings)
    otel: TraceSettings | None = None

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
        elif not is_postgres(self.database) and os.path.realpath(
            self.database.removeprefix(_SQLITE)
        ) == os.path.realpath(self.routing_file):
            context.report(node.at("routing_file"), "is the file of the database as well; choose another one")
        self._check_windows(node, context)
        self._warn_of_blips(node.child("controller").child("blips").place, context)
        self._warn_of_long_outages(node.child("controller"), context)

    def _check_windows(self, node: Node, context: ReadContext) -> None:
        """What is planned is of what is there."""
        targets = [*(target.plain_name for target in self.targets), *(target.id for target in self.targets)]
        subjects = [*dict.fromkeys(targets), *(provider.name for provider in self.providers)]
        plain, regional = (route.plain_name for route in self.routes), (route.name for route in self.routes)
        routes = [*dict.fromkeys((*plain, *regional))]
        for key, windows, what, known in (
            ("maintenance", self.maintenance, "a target or a provider", subjects),
            ("freeze", self.freeze, "a route, or all", [*routes, "all"]),
        ):
            for window in windows:
                if window.of not in known:
                    context.unknown(node.child(key).child(window.name).at("of"), window.of, what, known)
        for drill in self.drills:
            route = next((route for route in self.routes if route.name == drill.route), None)
            if route is None:
                context.unknown(node.child("drills").at(drill.route), drill.route, "a route", routes)
            elif len(route.candidates) == 1:
                place = node.child("drills").at(route.plain_name)
                where = f" in {route.region}" if route.region else ""
                context.report(place, f"has one candidate{where}, and no standby to prove")

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
