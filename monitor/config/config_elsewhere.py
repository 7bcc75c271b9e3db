"""The configuration of what is told besides Slack: a webhook, services of Apprise, a heartbeat, the weekly digest."""

import logging
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from monitor.config.config_providers import warn_about_literal
from monitor.config.config_time import read_time_of_day, read_zone
from monitor.config.config_values import Text
from monitor.config.schema import Section
from monitor.settings import OtherChannels, WeeklyDigest
from probes.target import Secret

#: A dead-man service that waits less than this would cry wolf over any restart.
SHORTEST_HEARTBEAT_S: Final = 10.0
_SHORTEST_SECRET: Final = 16
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NOT_INSTALLED: Final = "needs the library Apprise, which is not installed: pip install 'hotspare[apprise]'"
_UNSIGNED: Final = "the documents are not signed, so the receiver cannot tell ours from others; add webhook_secret"


def read_elsewhere(alerts: Section) -> OtherChannels:
    """Who is told besides Slack; what is wrong has been reported."""
    default = OtherChannels()
    webhook = _address(alerts, "webhook_url", "HOTSPARE_WEBHOOK_URL")
    secret = _webhook_secret(alerts)
    if alerts.has("webhook_secret") and not alerts.has("webhook_url"):
        alerts.findings.problem(alerts.at("webhook_secret"), "signs nothing: there is no webhook_url")
    if webhook and not alerts.has("webhook_secret"):
        alerts.findings.warn(alerts.at("webhook_url"), _UNSIGNED)
    if alerts.has("heartbeat_every") and not alerts.has("heartbeat_url"):
        alerts.findings.problem(alerts.at("heartbeat_every"), "has no use: there is no heartbeat_url")
    return OtherChannels(
        webhook_url=webhook,
        webhook_secret=secret,
        apprise=_apprise(alerts),
        heartbeat_url=_address(alerts, "heartbeat_url", "HEARTBEAT_URL"),
        heartbeat_every_s=alerts.duration("heartbeat_every", default.heartbeat_every_s, SHORTEST_HEARTBEAT_S),
    )


def read_digest(alerts: Section) -> WeeklyDigest | None:
    """When the week is summed up; None where it is not, or where what is wrong has been reported."""
    if not alerts.has("digest"):
        return None
    section = alerts.section("digest")
    if not section.entries:
        return None
    day, at = _day(section), read_time_of_day(section, "at", "09:00")
    zone = read_zone(section) if section.has("zone") else "UTC"
    if not any(alerts.has(key) for key in ("slack", "webhook_url", "apprise")):
        alerts.findings.warn(section.place, "nobody is told of it: there is neither slack, webhook_url nor apprise")
    if day is None or at is None or zone is None:
        return None
    return WeeklyDigest(weekday=_DAYS.index(day), at=at, zone=zone)


def _address(alerts: Section, key: str, variable: str) -> Secret | None:
    """An http(s) address that may hold a token anywhere, and so is never shown."""
    text = _secret(alerts, key, f"an http(s) address, as a variable such as ${{{variable}}}")
    if text is None:
        return None
    problem = _url_problem(text.value) if alerts.reader.keys else None
    if problem:
        alerts.findings.problem(text.place, problem)
        return None
    if _holds_token(text.value):
        warn_about_literal(alerts, text, "address", variable)
    return Secret(text.value)


def _secret(alerts: Section, key: str, expected: str) -> Text | None:
    return alerts.secret(key, expected) if alerts.has(key) else None


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"}:
        return "is not an http(s) address with a host; write it like https://host/path"
    if "@" in parts.netloc:
        return "holds a user name or a password; put a token into the path, as most services do"
    return "holds a fragment (#…), which is never sent; write the address without it" if parts.fragment else None


def _holds_token(url: str) -> bool:
    """Whether somebody who reads the file learns more than where the service is."""
    parts = urlsplit(url)
    return bool(parts.query) or len(parts.path.strip("/")) >= _SHORTEST_SECRET


def _webhook_secret(alerts: Section) -> Secret | None:
    text = _secret(alerts, "webhook_secret", "a variable such as ${HOTSPARE_WEBHOOK_SECRET}")
    if text is None:
        return None
    if alerts.reader.keys and len(text.value) < _SHORTEST_SECRET:
        problem = f"is too short to keep anybody from guessing it; expected at least {_SHORTEST_SECRET} characters"
        alerts.findings.problem(text.place, problem)
        return None
    warn_about_literal(alerts, text, "secret", "HOTSPARE_WEBHOOK_SECRET")
    return Secret(text.value)


def _apprise(alerts: Section) -> tuple[Secret, ...]:
    if not alerts.has("apprise") or not alerts.reader.keys:
        return ()
    expected = "a list of addresses such as [${TEAMS_URL}]"
    texts = alerts.words("apprise", expected, "an address of Apprise") or ()
    return tuple(Secret(text.value) for text in _known_to_apprise(alerts, texts))


def _known_to_apprise(alerts: Section, texts: tuple[Text, ...]) -> Iterator[Text]:
    if not texts:
        return
    try:
        # An optional extra, and slow to import.
        from apprise import Apprise  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        alerts.findings.problem(alerts.at("apprise"), _NOT_INSTALLED)
        return
    logging.getLogger("apprise").propagate = False  # it would log the address that it refuses
    for text in texts:
        if Apprise.instantiate(text.value) is None:
            # Never shown: it may hold a token.
            problem = "is not an address that Apprise knows; see the list of services in Apprise's documentation"
            alerts.findings.problem(text.place, problem)
            continue
        warn_about_literal(alerts, text, "address", "APPRISE_URL")
        yield text


def _day(section: Section) -> str | None:
    expected = "a day of the week such as monday"
    text = section.required("day", expected)
    if text is None:
        return None
    if text.value not in _DAYS:
        section.refuse(text, f"is not a day of the week; write one of {', '.join(_DAYS)}")
        return None
    return text.value
