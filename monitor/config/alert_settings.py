"""The settings under `alerts`; see `monitor.config.settings`."""

import logging
from dataclasses import dataclass, replace
from datetime import time
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit

from monitor.config.addresses import address_problem
from monitor.config.document import Node
from monitor.config.owner import CHANNEL, MENTIONS
from monitor.config.reading import ReadContext
from monitor.config.section import Key, Section
from monitor.config.values import Value, address, duration, items, must, secret, text, whole_number
from monitor.config.wall_clock import DAY, ZONE, time_of_day
from probes.target import Secret

#: A dead-man service that waits less than this would raise an alarm at any restart.
SHORTEST_HEARTBEAT_S: Final = 10.0
_SHORTEST_SECRET: Final = 16
_NO_TOKEN: Final = Secret("")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
#: More than this in an hour is one a second, which Slack itself refuses.
_MOST_PER_HOUR: Final = 3600
_MEMBER_ID: Final = "the member id of a person, such as U012AB3CD (in Slack: the person's profile, Copy member ID)"
_MEMBER: Final = text(_MEMBER_ID, pattern="[UW][A-Z0-9]{5,20}", wrong=f"is not a member id; expected {_MEMBER_ID}")
_LONG_ENOUGH: Final = must(
    lambda value: len(value) >= _SHORTEST_SECRET,
    f"is too short to keep anybody from guessing it; expected at least {_SHORTEST_SECRET} characters",
)
_APP_TOKEN: Final = must(
    lambda value: value.startswith("xapp-"),
    "is not an app-level token, which begins with xapp-; make one with the scope connections:write",
)
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


class Severity(StrEnum):
    """How urgent a message is; the worst first."""

    CRITICAL = "critical"
    """A person must act now."""
    WARNING = "warning"
    """Something fails, and users are served all the same."""
    INFO = "info"
    """Worth knowing."""


def _slack_webhook_problem(url: str) -> str | None:
    expected = "is not a webhook's address; expected https://hooks.slack.com/services/…"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return expected
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return None if usable and (parts.scheme == "https" or plain) else expected


def _holds_token(url: str) -> bool:
    """Whether the address tells more than where the service is."""
    parts = urlsplit(url)
    return bool(parts.query) or len(parts.path.strip("/")) >= _SHORTEST_SECRET


def _secret_address(variable: str) -> Value:
    """An http(s) address that may hold a token anywhere, and so is never shown."""
    return secret(
        variable,
        "address",
        expected="an http(s) address, as a variable such as ${{{}}}",
        check=lambda url: address_problem(url, secret=True),
        is_secret=_holds_token,
    )


def _apprise() -> Any:
    """The class of Apprise's addresses; None where the library, an optional extra, is not installed."""
    try:
        from apprise import Apprise  # noqa: PLC0415 - slow to import
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        return None
    logging.getLogger("apprise").propagate = False  # it would log the address that it refuses
    return Apprise


def _apprise_problem(url: str) -> str | None:
    # The address is never shown: it may hold a token.
    library = _apprise()
    if library is None or library.instantiate(str(url)) is not None:
        return None
    return "is not an address that Apprise knows; see the list of services in Apprise's documentation"


_APPRISE: Final = items(
    secret("APPRISE_URL", "address", expected="an address of Apprise", check=_apprise_problem, header=False),
    "a list of addresses such as [${TEAMS_URL}]",
)


def _read_apprise(node: Node, context: ReadContext) -> tuple[Secret, ...]:
    addresses = _APPRISE.read(node, context)
    return addresses if context.keys else ()


def _report_pairs(node: Node, rules: tuple[tuple[str, str, bool, str], ...], context: ReadContext) -> None:
    for name, other, wanted, problem in rules:
        if node.has(name) and node.has(other) is not wanted:
            context.report(node.at(name), problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackChannels(Section):
    """Where a severity goes elsewhere than to `channel`."""

    critical: Annotated[str | None, CHANNEL, Key(default_text="as `channel`")] = None
    """For what needs a person now. Change it when those on call read another channel."""
    warning: Annotated[str | None, CHANNEL, Key(default_text="as `channel`")] = None
    """For outages that were handled."""
    info: Annotated[str | None, CHANNEL, Key(default_text="as `channel`")] = None
    """For everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours(Section):
    """When only critical messages are sent."""

    empty_is_absent: ClassVar = True

    begin: Annotated[time, time_of_day("22:00"), Key(name="from", default_text="none")]
    """From then on only critical messages are sent; the rest follows, collapsed, at the end. Change it when nobody
    reads at night."""
    end: Annotated[time, time_of_day("22:00"), Key(name="to", default_text="none")]
    """The end, on the next day where it is before `from`."""
    zone: Annotated[str, ZONE, Key(default_text="none")]
    """The time zone of both: `Europe/Berlin`."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Quiet hours end at another time than they begin."""
        if self.begin == self.end:
            context.report(node.at("to"), "is the same as from: the quiet hours would be empty, or the whole day")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings(Section):
    """Slack: a bot in channels, or an incoming webhook."""

    token: Annotated[Secret, secret("SLACK_BOT_TOKEN", "token"), Key(default_text="required, or `webhook_url`")] = (
        _NO_TOKEN
    )
    """A bot token with the scope `chat:write`, as `${SLACK_BOT_TOKEN}`; see [Slack](slack.md)."""
    channel: Annotated[str, CHANNEL, Key(default_text="required, or `webhook_url`")] = ""
    """A channel the bot is in, in quotes because of the `#`, or its id."""
    # Slack's library appends the names of methods to it.
    api_url: Annotated[str, address().then(lambda url: url.rstrip("/") + "/")] = "https://slack.com/api/"
    """Slack's API. Change it when a proxy or a test server stands in for it."""
    webhook_url: Annotated[Secret | None, secret("SLACK_WEBHOOK_URL", "webhook", check=_slack_webhook_problem)] = None
    """An incoming webhook in place of token and channel, as `${SLACK_WEBHOOK_URL}`: messages are neither edited nor
    threaded, and may come twice. Change it when the workspace allows no bot."""
    channels: SlackChannels = SlackChannels()
    mention: Annotated[tuple[str, ...], MENTIONS, Key(default_text="none")] = ()
    """Whom critical messages call: `"<@U012AB3CD>"`, `"<!subteam^S012AB3CD>"`, `here`, `channel`, `everyone`.
    Change it when somebody is to be woken."""
    remind_s: Annotated[float, duration(at_least_s=60.0, zero=True, advice=", and 0s switches reminders off")] = 1800.0
    """How often a critical incident is repeated until it is acknowledged, resolved, or needs nobody any more; `0s`:
    never."""
    quiet_hours: QuietHours | None = None
    most_per_hour: Annotated[int, whole_number(1, _MOST_PER_HOUR)] = 30
    """New messages in any hour at most, replies in threads included; critical ones are never held back, edits do
    not count. Change it when others use the channel."""
    app_token: Annotated[Secret | None, secret("SLACK_APP_TOKEN", "app token", check=_APP_TOKEN)] = None
    """An app-level token (`xapp-…`) with the scope `connections:write`, as `${SLACK_APP_TOKEN}`: incidents get
    [buttons](slack.md#buttons), pressed through Socket Mode. Change it when people shall act from Slack."""
    allowed_users: Annotated[
        frozenset[str] | None, items(_MEMBER, "a list such as [U012AB3CD]"), Key(default_text="everybody")
    ] = None
    """The member ids of those who may press: `[U012AB3CD]`. Change it when not all who see the message are on
    call."""

    def channel_of(self, severity: Severity) -> str:
        """Where a message of this severity goes."""
        return getattr(self.channels, severity.value) or self.channel

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """A bot needs a token and a channel; a webhook has neither, nor what only a bot can do."""
        _report_pairs(node, _SLACK_RULES, context)
        if node.has("allowed_users") and node.child("allowed_users").is_empty():
            context.report(node.at("allowed_users"), _NOBODY)
        if not node.has("webhook_url"):
            context.require(node, "token", "a variable such as ${SLACK_BOT_TOKEN}")
            context.require(node, "channel", 'a channel in quotes, such as "#llm-status"')


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyDigest(Section):
    """When the week is summed up."""

    empty_is_absent: ClassVar = True

    # 0 is Monday.
    weekday: Annotated[int, DAY, Key(name="day", default_text="none: no digest")]
    """The day on which the [week is summed up](alerts.md#the-weekly-digest): `monday`."""
    at: Annotated[time, time_of_day("09:00"), Key(default_text="none")]
    """The time of day, in quotes: `"09:00"`."""
    zone: Annotated[str, ZONE, Key(default_text="UTC")] = "UTC"
    """The time zone: `Europe/Berlin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings(Section):
    """Who is notified, and how."""

    slack: SlackSettings | None = None
    webhook_url: Annotated[Secret | None, _secret_address("HOTSPARE_WEBHOOK_URL")] = None
    """Where each change of an incident, and each notice, is posted as a [JSON document](alerts.md#the-webhook), as
    `${HOTSPARE_WEBHOOK_URL}`. Change it when a program shall know."""
    webhook_secret: Annotated[Secret | None, secret("HOTSPARE_WEBHOOK_SECRET", "secret", check=_LONG_ENOUGH)] = None
    """What signs these documents, at least 16 characters, as `${HOTSPARE_WEBHOOK_SECRET}`. Without it comes a
    warning."""
    apprise: Annotated[tuple[Secret, ...], replace(_APPRISE, read=_read_apprise), Key(default_text="none")] = ()
    """[Apprise](alerts.md#apprise) addresses (Teams, Discord, mail, PagerDuty, …), each as a variable. Needs `pip
    install 'hotspare[apprise]'`. Change it when people do not read Slack."""
    heartbeat_url: Annotated[Secret | None, _secret_address("HEARTBEAT_URL")] = None
    """[Requested](alerts.md#the-heartbeat) with a GET while the monitor and its cycle are well. Change it when a
    dead-man service shall notice that Hotspare is gone."""
    heartbeat_every_s: Annotated[float, duration(at_least_s=SHORTEST_HEARTBEAT_S)] = 60.0
    """How often; at least `10s`."""
    digest: WeeklyDigest | None = None

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """A secret needs what it signs, a heartbeat its address, the digest a reader, Apprise its library."""
        _report_pairs(node, _ALERT_RULES, context)
        if self.webhook_url and not node.has("webhook_secret"):
            context.problems.warn(node.at("webhook_url"), _UNSIGNED)
        if self.apprise and context.keys and _apprise() is None:
            context.report(node.at("apprise"), _NO_APPRISE)
        if self.digest and not any(node.has(name) for name in ("slack", "webhook_url", "apprise")):
            problem = "is sent to nobody: neither slack, webhook_url nor apprise is configured"
            context.problems.warn(node.at("digest"), problem)
