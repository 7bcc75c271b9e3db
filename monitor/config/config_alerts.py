"""The configuration of alerts: where Slack is told, who is called, and what can wait."""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from monitor.config.config_buttons import read_allowed_users, read_app_token
from monitor.config.config_providers import warn_about_literal
from monitor.config.config_time import read_time_of_day, read_zone
from monitor.config.config_values import Text
from monitor.config.document import Mapping as YamlMapping
from monitor.config.schema import Section
from monitor.formatting import format_duration
from monitor.settings import QuietHours, Severity, SlackSettings
from probes.target import Secret

_CHANNEL: Final = 'a channel in quotes, such as "#llm-status"'
_MENTION: Final = "<@U012AB3CD> for a person, <!subteam^S012AB3CD> for a group, or here, channel or everyone"
_SOMEBODY = re.compile(r"<@[UW][A-Z0-9]{5,20}>|<!subteam\^S[A-Z0-9]{5,20}>")
_ALL = frozenset({"here", "channel", "everyone"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: More than this in an hour is one a second, which Slack itself refuses.
_MOST_PER_HOUR: Final = 3600
_SHORTEST_REMIND_S: Final = 60.0


def read_slack(alerts: Section) -> SlackSettings | None:
    """How Slack is told; None where it is not, or where what is wrong has been reported."""
    section = alerts.section("slack")
    if not isinstance(alerts.entries.get("slack"), YamlMapping):
        return None
    slack = _by_webhook(section) if section.has("webhook_url") else _by_bot(section)
    default = slack or SlackSettings()
    told = replace(
        default,
        mention=_mention(section),
        remind_s=_remind(section, default.remind_s),
        quiet_hours=_quiet_hours(section),
        most_per_hour=_most_per_hour(section, default.most_per_hour),
        app_token=read_app_token(section),
        allowed_users=read_allowed_users(section),
    )
    return told if slack else None


def _by_bot(section: Section) -> SlackSettings | None:
    token = section.secret("token", "a variable such as ${SLACK_BOT_TOKEN}")
    channel = section.required("channel", _CHANNEL)
    api_url = section.url("api_url")
    within = section.section("channels")
    channels = ((severity, within.text(severity.value, _CHANNEL)) for severity in Severity)
    chosen = tuple((severity, text.value) for severity, text in channels if text)
    if token is None or channel is None:
        return None
    warn_about_literal(section, token, "token", "SLACK_BOT_TOKEN")
    slack = SlackSettings(token=Secret(token.value), channel=channel.value, channels=chosen)
    # Slack's library appends the names of methods to it.
    return replace(slack, api_url=api_url.value.rstrip("/") + "/") if api_url else slack


def _by_webhook(section: Section) -> SlackSettings | None:
    url = section.secret("webhook_url", "a variable such as ${SLACK_WEBHOOK_URL}")
    for key in ("token", "channel", "channels"):
        if section.has(key):
            problem = "does not go with webhook_url, which posts to the one channel it was made for; leave one out"
            section.findings.problem(section.at(key), problem)
    if url is None:
        return None
    flaw = _webhook_problem(url.value) if section.reader.keys else None
    if flaw:
        section.findings.problem(url.place, flaw)
        return None
    warn_about_literal(section, url, "webhook", "SLACK_WEBHOOK_URL")
    return SlackSettings(webhook_url=Secret(url.value))


def _webhook_problem(url: str) -> str | None:
    # Whoever has the address may post there, so it is never shown.
    expected = "is not a webhook's address; expected https://hooks.slack.com/services/…"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return expected
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return None if usable and (parts.scheme == "https" or plain) else expected


def _mention(section: Section) -> tuple[str, ...]:
    texts = section.words("mention", 'a list such as ["<@U012AB3CD>", here]', _MENTION) or ()
    return tuple(found for text in texts if (found := _mentioned(section, text)))


def _mentioned(section: Section, text: Text) -> str | None:
    if text.value in _ALL:
        return f"<!{text.value}>"
    if _SOMEBODY.fullmatch(text.value):
        return text.value
    section.refuse(text, f"mentions nobody; write {_MENTION}")
    return None


def _remind(section: Section, fallback: float) -> float:
    seconds = section.duration("remind", fallback, zero=True)
    if 0 < seconds < _SHORTEST_REMIND_S:
        problem = f"{format_duration(seconds)} is too short; the shortest is {format_duration(_SHORTEST_REMIND_S)}"
        section.findings.problem(section.at("remind"), f"{problem}, and 0s switches reminders off")
        return fallback
    return seconds


def _quiet_hours(section: Section) -> QuietHours | None:
    if not section.has("quiet_hours"):
        return None
    hours = section.section("quiet_hours")
    if not hours.entries:
        return None
    begin, end = read_time_of_day(hours, "from", "22:00"), read_time_of_day(hours, "to", "22:00")
    zone = read_zone(hours)
    if begin is None or end is None or zone is None:
        return None
    if begin == end:
        hours.findings.problem(hours.at("to"), "is the same as from: there would be no quiet hours, or no others")
        return None
    return QuietHours(begin=begin, end=end, zone=zone)


def _most_per_hour(section: Section, fallback: int) -> int:
    number = section.number("most_per_hour")
    if number is None:
        return fallback
    if number != int(number) or not 1 <= number <= _MOST_PER_HOUR:
        problem = f"{number:g} is not a whole number from 1 to {_MOST_PER_HOUR:,}"
        section.findings.problem(section.at("most_per_hour"), problem)
        return fallback
    return int(number)
