"""The keys under `alerts` in the configuration; see `monitor.config.schema`."""

from typing import Annotated, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from monitor.config.reading import Text
from monitor.config.section_base import ListItems, Section, key
from monitor.config.values import Value, address, address_problem, duration, must, secret, text, whole_number
from monitor.settings import OtherChannels, SlackSettings

#: A dead-man service that waits less than this would raise an alarm at any restart.
SHORTEST_HEARTBEAT_S: Final = 10.0
_SHORTEST_SECRET: Final = 16
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SLACK: Final = SlackSettings()
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
#: More than this in an hour is one a second, which Slack itself refuses.
_MOST_PER_HOUR: Final = 3600
_CHANNEL: Final = text('a channel in quotes, such as "#llm-status"')
_MEMBER_ID: Final = "the member id of a person, such as U012AB3CD (in Slack: the person's profile, Copy member ID)"
_MEMBER: Final = text(_MEMBER_ID, pattern="[UW][A-Z0-9]{5,20}", wrong=f"is not a member id; expected {_MEMBER_ID}")
_PEOPLE: Final = "<@U012AB3CD> for a person, <!subteam^S012AB3CD> for a group, or here, channel or everyone"
_MENTION: Final = text(
    _PEOPLE,
    pattern=r"<@[UW][A-Z0-9]{5,20}>|<!subteam\^S[A-Z0-9]{5,20}>|here|channel|everyone",
    wrong=f"is not a mention; write {_PEOPLE}",
)
_DAY: Final = text(
    "a day of the week such as monday",
    pattern="|".join(DAYS),
    wrong=f"is not a day of the week; write one of {', '.join(DAYS)}",
)
_APPRISE: Final = secret("APPRISE_URL", "address", expected="an address of Apprise", header=False)
_LONG_ENOUGH: Final = must(
    lambda value: len(value) >= _SHORTEST_SECRET,
    f"is too short to keep anybody from guessing it; expected at least {_SHORTEST_SECRET} characters",
)
_APP_TOKEN: Final = must(
    lambda value: value.startswith("xapp-"),
    "is not an app-level token, which begins with xapp-; make one with the scope connections:write",
)


def _time(example: str) -> Value:
    return text(f'a time of day in quotes, such as "{example}"', pattern="([01][0-9]|2[0-3]):[0-5][0-9]")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True


_ZONE: Final = text(
    "a time zone such as Europe/Berlin",
    must(_is_zone, "is not a time zone that this machine knows; write one such as Europe/Berlin or UTC"),
)


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


class SlackChannelsSection(Section):
    """Where a severity goes elsewhere than to `channel`."""

    critical: Annotated[Text | None, _CHANNEL] = key(None, default_text="as `channel`")
    """For what needs a person now. Change it when those on call read another channel."""
    warning: Annotated[Text | None, _CHANNEL] = key(None, default_text="as `channel`")
    """For outages that were handled."""
    info: Annotated[Text | None, _CHANNEL] = key(None, default_text="as `channel`")
    """For everything else."""


class QuietHoursSection(Section):
    """When only critical messages are sent."""

    empty_is_absent = True

    begin: Annotated[Text, _time("22:00")] = key(alias="from", default_text="none")
    """From then on only critical messages are sent; the rest follows, collapsed, at the end. Change it when nobody
    reads at night."""
    end: Annotated[Text, _time("22:00")] = key(alias="to", default_text="none")
    """The end, on the next day where it is before `from`."""
    zone: Annotated[Text, _ZONE] = key(default_text="none")
    """The time zone of both: `Europe/Berlin`."""


class SlackSection(Section):
    """Slack: a bot in channels, or an incoming webhook."""

    token: Annotated[Text | None, secret("SLACK_BOT_TOKEN", "token")] = key(
        None, default_text="required, or `webhook_url`"
    )
    """A bot token with the scope `chat:write`, as `${SLACK_BOT_TOKEN}`; see [Slack](slack.md)."""
    channel: Annotated[Text | None, _CHANNEL] = key(None, default_text="required, or `webhook_url`")
    """A channel the bot is in, in quotes because of the `#`, or its id."""
    api_url: Annotated[Text | None, address()] = key(None, shown=_SLACK.api_url)
    """Slack's API. Change it when a proxy or a test server stands in for it."""
    webhook_url: Annotated[Text | None, secret("SLACK_WEBHOOK_URL", "webhook", check=_slack_webhook_problem)] = key(
        None
    )
    """An incoming webhook in place of token and channel, as `${SLACK_WEBHOOK_URL}`: messages are neither edited nor
    threaded, and may come twice. Change it when the workspace allows no bot."""
    channels: SlackChannelsSection
    mention: Annotated[list[Annotated[Text, _MENTION]], ListItems('a list such as ["<@U012AB3CD>", here]')] = key(
        [], default_text="none"
    )
    """Whom critical messages call: `"<@U012AB3CD>"`, `"<!subteam^S012AB3CD>"`, `here`, `channel`, `everyone`.
    Change it when somebody is to be woken."""
    remind_s: Annotated[float, duration(at_least_s=60.0, zero=True, advice=", and 0s switches reminders off")] = key(
        _SLACK.remind_s, alias="remind"
    )
    """How often a critical incident is repeated until it is acknowledged, resolved, or needs nobody any more; `0s`:
    never."""
    quiet_hours: QuietHoursSection | None = None
    most_per_hour: Annotated[int, whole_number(1, _MOST_PER_HOUR)] = key(_SLACK.most_per_hour)
    """New messages in any hour at most, replies in threads included; critical ones are never held back, edits do
    not count. Change it when others use the channel."""
    app_token: Annotated[Text | None, secret("SLACK_APP_TOKEN", "app token", check=_APP_TOKEN)] = key(None)
    """An app-level token (`xapp-…`) with the scope `connections:write`, as `${SLACK_APP_TOKEN}`: incidents get
    [buttons](slack.md#buttons), pressed through Socket Mode. Change it when people shall act from Slack."""
    allowed_users: Annotated[list[Annotated[Text, _MEMBER]], ListItems("a list such as [U012AB3CD]")] = key(
        [], default_text="everybody"
    )
    """The member ids of those who may press: `[U012AB3CD]`. Change it when not all who see the message are on
    call."""


class DigestSection(Section):
    """When the week is summed up."""

    empty_is_absent = True

    day: Annotated[Text, _DAY] = key(default_text="none: no digest")
    """The day on which the [week is summed up](alerts.md#the-weekly-digest): `monday`."""
    at_time: Annotated[Text, _time("09:00")] = key(alias="at", default_text="none")
    """The time of day, in quotes: `"09:00"`."""
    zone: Annotated[Text | None, _ZONE] = key(None, default_text="UTC")
    """The time zone: `Europe/Berlin`."""


class AlertsSection(Section):
    """Who is told, and how."""

    slack: SlackSection | None = None
    webhook_url: Annotated[Text | None, _secret_address("HOTSPARE_WEBHOOK_URL")] = key(None)
    """Where each change of an incident, and each notice, is posted as a [JSON document](alerts.md#the-webhook), as
    `${HOTSPARE_WEBHOOK_URL}`. Change it when a program shall know."""
    webhook_secret: Annotated[Text | None, secret("HOTSPARE_WEBHOOK_SECRET", "secret", check=_LONG_ENOUGH)] = key(None)
    """What signs these documents, at least 16 characters, as `${HOTSPARE_WEBHOOK_SECRET}`. Without it comes a
    warning."""
    apprise: Annotated[
        list[Annotated[Text, _APPRISE]],
        ListItems("a list of addresses such as [${TEAMS_URL}]"),
    ] = key([], default_text="none")
    """[Apprise](alerts.md#apprise) addresses (Teams, Discord, mail, PagerDuty, …), each as a variable. Needs `pip
    install 'hotspare[apprise]'`. Change it when people do not read Slack."""
    heartbeat_url: Annotated[Text | None, _secret_address("HEARTBEAT_URL")] = key(None)
    """[Requested](alerts.md#the-heartbeat) with a GET while the monitor and its cycle are well. Change it when a
    dead-man service shall notice that Hotspare is gone."""
    heartbeat_every_s: Annotated[float, duration(at_least_s=SHORTEST_HEARTBEAT_S)] = key(
        OtherChannels().heartbeat_every_s, alias="heartbeat_every"
    )
    """How often; at least `10s`."""
    digest: DigestSection | None = None
