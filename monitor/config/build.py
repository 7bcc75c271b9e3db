"""The schema as read from a file to `Settings`: defaults, inheritance, and rules that concern several keys."""

import logging
import os.path
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import time
from inspect import signature
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from monitor.config.build_targets import build_targets
from monitor.config.document import Place
from monitor.config.reading import ReadContext, Text
from monitor.config.schema import BlipsSection, Configuration, ControllerSection, NetworkSection, RouteSection
from monitor.config.schema_alerts import DAYS, AlertsSection, QuietHoursSection, SlackSection
from monitor.config.section_base import Section
from monitor.formatting import format_duration, format_share
from monitor.health import FAILING, WORST_FIRST, Health
from monitor.settings import (
    Blips,
    ControllerSettings,
    Failback,
    NetworkSettings,
    OtherChannels,
    QuietHours,
    Route,
    Settings,
    Severity,
    SlackSettings,
    WeeklyDigest,
)
from probes.target import Secret, Target

S = TypeVar("S")
_SQLITE: Final = "sqlite:///"
_IN_MEMORY: Final = frozenset({"sqlite://", "sqlite:///", "sqlite:///:memory:"})
_DAY_S: Final = 86400.0
#: Of the time that blips may take: more of it could not be told from an outage that comes and goes.
_MOST_IN_BLIPS: Final = 0.05
_LONG_OUTAGE_S, _LONG_OUTAGE_INTERVALS = 300.0, 10
_ONE_CHANNEL: Final = "does not go with webhook_url, which posts to the one channel it was made for; leave one out"
_NO_EDITS: Final = "does not go with webhook_url: buttons need messages that can be edited; use token and channel"
#: A key, another one that must be there (or must not) where it is, and what is wrong otherwise.
_SLACK_RULES: Final = (
    ("token", "webhook_url", False, _ONE_CHANNEL),
    ("channel", "webhook_url", False, _ONE_CHANNEL),
    ("channels", "webhook_url", False, _ONE_CHANNEL),
    ("app_token", "webhook_url", False, _NO_EDITS),
    ("allowed_users", "app_token", True, "needs app_token: without it there are no buttons to press"),
)
_ALERT_RULES: Final = (
    ("webhook_secret", "webhook_url", True, "signs nothing: there is no webhook_url"),
    ("heartbeat_every", "heartbeat_url", True, "has no use: there is no heartbeat_url"),
)
_NOBODY: Final = (
    "is empty, so that nobody could press; leave it out to allow everybody, or leave app_token out to have no buttons"
)
_NO_APPRISE: Final = "needs the library Apprise, which is not installed: pip install 'hotspare[apprise]'"
_UNSIGNED: Final = "the documents are not signed, so the receiver cannot tell ours from others; add webhook_secret"


def build(path: Path, root: Configuration, context: ReadContext) -> Settings:
    """The settings; what is wrong or doubtful is reported to the context's problems."""
    default = Settings(path=path, targets=(), routes=())
    targets = build_targets(root, context)
    controller = _controller(root.controller, context)
    _warn_of_blips(root.controller.blips, targets, controller.blips, context)
    _warn_of_long_outages(root.controller, targets, controller, context)
    database, routing_file = _files(root, default, context)
    endpoints = tuple(text.value for text in root.connectivity.endpoints)
    by_id = {target.id: target for target in targets}
    return replace(
        default,
        targets=targets,
        routes=tuple(_route(name, route, by_id, context) for name, route in root.routes.items()),
        database=database,
        routing_file=routing_file,
        controller=controller,
        slack=_slack(root.alerts.slack, context) if root.alerts.slack else None,
        elsewhere=_other_channels(root.alerts, context),
        digest=_digest(root.alerts, context),
        connectivity_endpoints=endpoints if root.connectivity.has("endpoints") else default.connectivity_endpoints,
        network=_network(root.network, context),
        retention_raw_s=root.retention.raw_s,
        budget_usd_per_month=root.budget.usd_per_month,
    )


def _settings(kind: Callable[..., S], section: Section, **own: Any) -> S:
    """Settings of this kind: each field that `own` lacks is the section's field of the same name.

    A text becomes a string, or a Secret where the settings declare one; what is None has the settings' default.
    """
    for name, field in signature(kind).parameters.items():
        value = own[name] if name in own else getattr(section, name)
        if isinstance(value, Text):
            value = (
                Secret(value.value)
                if Secret in get_args(field.annotation) or field.annotation is Secret
                else value.value
            )
        own[name] = tuple(value) if isinstance(value, list) else value
    return kind(**{name: value for name, value in own.items() if value is not None})


def _files(root: Configuration, default: Settings, context: ReadContext) -> tuple[str, Path]:
    url = root.database.value if root.database else default.database
    problem = _database_problem(url) if context.stores or url not in _IN_MEMORY else None
    if problem:
        context.report(root.at("database"), problem)
    routing_file = _file(root.routing_file, context) or default.routing_file
    if not problem and os.path.realpath(url.removeprefix(_SQLITE)) == os.path.realpath(routing_file):
        context.report(root.at("routing_file"), "is the file of the database as well; choose another one")
    return url, routing_file


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


def _file_problem(path: str) -> str | None:
    if not path.isprintable():
        return "holds a control character; expected the path of a file"
    # Not Path.is_dir, here and below: for a name that is too long it raises.
    folder = path.endswith("/") or os.path.isdir(path)  # noqa: PTH112 - see above
    return "is a folder; expected the path of a file" if folder else None


def _file(text: Text | None, context: ReadContext) -> Path | None:
    problem = _file_problem(text.value) if text else None
    # Commands that only read must start in order to show what is wrong with the files.
    if text and problem and context.keys:
        context.refuse(text, problem)
        return None
    return Path(text.value) if text else None


def _network(section: NetworkSection, context: ReadContext) -> NetworkSettings:
    bundle = _file(section.ca_bundle, context)
    if bundle and not os.path.isfile(bundle):  # noqa: PTH113 - see _file_problem
        context.report(section.at("ca_bundle"), "there is no such file; expected certificates in PEM form")
    elif bundle and not _holds_certificates(bundle):
        context.report(section.at("ca_bundle"), "holds no certificates; expected them in PEM form")
    return _settings(NetworkSettings, section, ca_bundle=bundle)


def _holds_certificates(bundle: Path) -> bool:
    try:
        ssl.create_default_context(cafile=bundle)
    except OSError:  # what ssl raises is one, too
        return False
    return True


def _route(name: str, section: RouteSection, targets: dict[str, Target], context: ReadContext) -> Route:
    candidates = _candidates(section, targets, context)
    left_out = [health for health in WORST_FIRST if health in FAILING and health not in section.fail_over_on]
    if left_out:
        text = f"leaves out {', '.join(left_out)}: the route stays on a target that is {' or '.join(left_out)}"
        context.problems.warn(section.at("fail_over_on"), text)
    return Route(name=name, candidates=candidates, fail_over_on=frozenset(map(Health, section.fail_over_on)))


def _candidates(section: RouteSection, targets: dict[str, Target], context: ReadContext) -> tuple[str, ...]:
    good: dict[str, Target] = {}
    for text in section.candidates:
        if text.value in good:
            context.refuse(text, "is here twice")
        elif text.value not in targets:
            hint = context.problems.did_you_mean(text.value, targets) or "; expected provider/model from providers"
            context.refuse(text, f"is not a target{hint}")
        else:
            good[text.value] = targets[text.value]
    if good and len(good) == len(section.candidates):
        _warn_about_redundancy(section.at("candidates"), list(good.values()), context)
    return tuple(good)


def _warn_about_redundancy(place: Place, candidates: list[Target], context: ReadContext) -> None:
    providers = {target.provider.name for target in candidates}
    if len(candidates) == 1:
        context.problems.warn(place, "a single candidate: there is nothing to fail over to")
    elif len(providers) == 1:
        name = context.problems.shown(providers.pop())
        context.problems.warn(place, f"all candidates are at {name}: an outage of that provider takes the route down")


def _controller(section: ControllerSection, context: ReadContext) -> ControllerSettings:
    failback, blips = _settings(Failback, section.failback), _blips(section.blips, context)
    return _settings(ControllerSettings, section, failback=failback, blips=blips)


def _blips(section: BlipsSection, context: ReadContext) -> Blips:
    shortest_s, longest_s = section.length
    taken = section.per_day * (shortest_s + longest_s) / 2 / _DAY_S
    if taken > _MOST_IN_BLIPS:
        text = (
            f"takes {format_share(round(taken, 3))} of the day, which is an outage and no blip;"
            f" expected per_day × length to come to {format_share(_MOST_IN_BLIPS)} at the most"
        )
        context.report(section.place, text)
    return _settings(Blips, section, shortest_s=shortest_s, longest_s=longest_s)


def _warn_of_long_outages(
    section: ControllerSection, targets: Iterable[Target], controller: ControllerSettings, context: ReadContext
) -> None:
    """Warn where `min_outage` is so long that real outages are over before anything moves."""
    slowest_s = max((target.interval_s for target in targets), default=_LONG_OUTAGE_S)
    longest_s = min(_LONG_OUTAGE_S, _LONG_OUTAGE_INTERVALS * slowest_s)
    chosen_s = controller.min_outage_s
    if chosen_s > longest_s and chosen_s != ControllerSettings().min_outage_s:
        text = f"{format_duration(chosen_s)} is long: an outage shorter than that moves nothing"
        context.problems.warn(section.at("min_outage"), text)


def _warn_of_blips(section: BlipsSection, targets: Iterable[Target], blips: Blips, context: ReadContext) -> None:
    """Warn where several probes in a row can fall into one blip."""
    fastest = min((target.interval_s for target in targets), default=blips.longest_s)
    if blips.per_day and fastest < blips.longest_s:
        text = (
            f"several probes that are {format_duration(fastest)} apart can fall into one blip of up to"
            f" {format_duration(blips.longest_s)} (blips.length): a verdict then needs more evidence, and time"
        )
        context.problems.warn(section.place, text)


def _report_pairs(section: Section, rules: Iterable[tuple[str, str, bool, str]], context: ReadContext) -> None:
    for name, other, wanted, text in rules:
        if section.has(name) and section.has(other) is not wanted:
            context.report(section.at(name), text)


def _slack(section: SlackSection, context: ReadContext) -> SlackSettings:
    _report_pairs(section, _SLACK_RULES, context)
    if section.is_empty("allowed_users"):
        context.report(section.at("allowed_users"), _NOBODY)
    if not section.has("webhook_url"):
        section.require("token", "a variable such as ${SLACK_BOT_TOKEN}", context)
        section.require("channel", 'a channel in quotes, such as "#llm-status"', context)
    channels = ((severity, getattr(section.channels, severity.value)) for severity in Severity)
    users = tuple(dict.fromkeys(text.value for text in section.allowed_users))
    return _settings(
        SlackSettings,
        section,
        # Slack's library appends the names of methods to it.
        api_url=section.api_url.value.rstrip("/") + "/" if section.api_url else None,
        channels=tuple((severity, text.value) for severity, text in channels if text),
        mention=tuple(text.value if "<" in text.value else f"<!{text.value}>" for text in section.mention),
        quiet_hours=_quiet_hours(section.quiet_hours, context) if section.quiet_hours else None,
        allowed_users=users if section.has("allowed_users") else None,
    )


def _quiet_hours(section: QuietHoursSection, context: ReadContext) -> QuietHours:
    begin, end = time.fromisoformat(section.begin.value), time.fromisoformat(section.end.value)
    if begin == end:
        context.report(section.at("to"), "is the same as from: the quiet hours would be empty, or the whole day")
    return _settings(QuietHours, section, begin=begin, end=end)


def _other_channels(section: AlertsSection, context: ReadContext) -> OtherChannels:
    _report_pairs(section, _ALERT_RULES, context)
    if section.webhook_url and not section.has("webhook_secret"):
        context.problems.warn(section.at("webhook_url"), _UNSIGNED)
    return _settings(OtherChannels, section, apprise=_apprise(section, context))


def _apprise(section: AlertsSection, context: ReadContext) -> tuple[Secret, ...]:
    if not section.apprise or not context.keys:
        return ()
    try:
        # An optional extra, and slow to import.
        from apprise import Apprise  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        context.report(section.at("apprise"), _NO_APPRISE)
        return ()
    logging.getLogger("apprise").propagate = False  # it would log the address that it refuses
    for text in section.apprise:
        if Apprise.instantiate(text.value) is None:
            # Never shown: it may hold a token.
            problem = "is not an address that Apprise knows; see the list of services in Apprise's documentation"
            context.report(text.place, problem)
    return tuple(Secret(text.value) for text in section.apprise)


def _digest(section: AlertsSection, context: ReadContext) -> WeeklyDigest | None:
    digest = section.digest
    if digest is None:
        return None
    if not any(section.has(name) for name in ("slack", "webhook_url", "apprise")):
        text = "is sent to nobody: neither slack, webhook_url nor apprise is configured"
        context.problems.warn(digest.place, text)
    zone = digest.zone.value if digest.zone else "UTC"
    return WeeklyDigest(weekday=DAYS.index(digest.day.value), at=time.fromisoformat(digest.at_time.value), zone=zone)
