"""Every setting as a frozen value, with its default and its unit; the only place where defaults live."""

from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import Literal

from monitor.health import Health
from probes.target import Provider, Secret, Target

DEFAULT_DATABASE = "sqlite:///var/hotspare.db"
DEFAULT_ROUTING_FILE = Path("var/routing.json")
#: However little money is left, a target that is probed at all is probed once an hour.
LONGEST_STRETCHED_S = 3600.0
NO_TOKEN = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A name that applications ask for, with candidates in order of preference."""

    name: str
    candidates: tuple[str, ...]
    """Target ids, the preferred one first."""
    fail_over_on: frozenset[Health] = frozenset({Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED})
    """The health of the current target that moves the route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failback:
    """How a route returns to a more preferred candidate."""

    mode: Literal["auto", "manual", "steps"] = "auto"
    """At once, never by itself, or share by share."""
    hold_s: float = 300.0
    """How long a recovered target must stay clean before it counts as up."""
    steps: tuple[float, ...] = (0.1, 0.5, 1.0)
    """With `steps`: the shares of the requests that go back, one after the other; rising, the last one 1."""
    step_s: float = 120.0
    """With `steps`: how long a share is held, the target up all the while, before the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blips:
    """The short disturbances that must not move a route: how many a day, how long, how bad."""

    per_day: float = 5.0
    shortest_s: float = 3.0
    longest_s: float = 8.0
    failure_rate: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """How evidence becomes a decision."""

    detect: float = 0.30
    """p1: the failure rate to detect."""
    false_failovers_per_day: float = 1 / 90
    """The promise, per route."""
    min_outage_s: float = 15.0
    """The shortest span of evidence that may cause a failover."""
    dwell_s: float = 60.0
    """No second move inside this, unless the current target's health is in the route's `fail_over_on`."""
    failback: Failback = Failback()
    blips: Blips = Blips()
    dry_run: bool = False
    """Watch, decide, record and tell, but leave every route at its first candidate."""


class Severity(StrEnum):
    """Whether a message can wait, and where it goes; the worst first."""

    CRITICAL = "critical"
    """A person must act now."""
    WARNING = "warning"
    """Something fails, and users are served all the same."""
    INFO = "info"
    """Worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When only what is critical is told; from one time of day to another, over midnight too."""

    begin: time
    end: time
    zone: str
    """The name of a time zone, such as `Europe/Berlin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """Where incidents are told: a bot in channels, or an incoming webhook."""

    token: Secret = NO_TOKEN
    """Empty with a webhook."""
    channel: str = ""
    api_url: str = "https://slack.com/api/"
    """For a proxy, or a stand-in while testing."""
    webhook_url: Secret | None = None
    """In place of token and channel."""
    channels: tuple[tuple[Severity, str], ...] = ()
    """Where a severity goes elsewhere than to `channel`."""
    mention: tuple[str, ...] = ()
    """Whom a critical message calls, as Slack writes it: `<@U012AB3CD>`, `<!here>`."""
    remind_s: float = 1800.0
    """How often a critical incident is called out again until somebody acknowledges it; 0: never."""
    quiet_hours: QuietHours | None = None
    most_per_hour: int = 30
    """So many new messages at most in any hour; what is critical is never held back."""
    app_token: Secret | None = None
    """With it, messages have buttons, and presses come through Socket Mode; None: no buttons."""
    allowed_users: tuple[str, ...] | None = None
    """The member ids of those who may press; None: everybody who sees the message."""

    def channel_of(self, severity: Severity) -> str:
        """Where a message of this severity goes."""
        return dict(self.channels).get(severity, self.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherChannels:
    """Who is told besides Slack. The addresses are secrets: whoever has one can use it."""

    webhook_url: Secret | None = None
    """What gets each change as a JSON document."""
    webhook_secret: Secret | None = None
    """What those documents are signed with; None: they are not."""
    apprise: tuple[Secret, ...] = ()
    """Services, as the Apprise library addresses them."""
    heartbeat_url: Secret | None = None
    """What is asked while the monitor and its cycle are well."""
    heartbeat_every_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyDigest:
    """When the week is summed up."""

    weekday: int
    """0 is Monday."""
    at: time
    zone: str
    """The name of a time zone, such as `Europe/Berlin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """How probes leave this machine."""

    proxy: str | None = None
    """None: the environment's proxy variables are honoured."""
    ca_bundle: Path | None = None
    """None: the system's certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration, validated."""

    path: Path
    """The file it came from."""
    targets: tuple[Target, ...]
    """In the order of the file."""
    routes: tuple[Route, ...]
    database: str = DEFAULT_DATABASE
    """A SQLAlchemy URL; a relative SQLite path is relative to the working directory."""
    routing_file: Path = DEFAULT_ROUTING_FILE
    controller: ControllerSettings = ControllerSettings()
    slack: SlackSettings | None = None
    elsewhere: OtherChannels = OtherChannels()
    digest: WeeklyDigest | None = None
    """None: there is none."""
    connectivity_endpoints: tuple[str, ...] = (
        "https://one.one.one.one",
        "https://www.google.com/generate_204",
        "https://www.apple.com",
    )
    """Neutral: any HTTP answer from one of them means that our own network works."""
    network: NetworkSettings = NetworkSettings()
    retention_raw_s: float = 14 * 86400.0
    budget_usd_per_month: float | None = None
    warnings: tuple[str, ...] = ()
    """What the loader accepted but would not let pass in silence, each a full sentence with its place."""

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Every provider that has a target, in the order of the file."""
        return tuple({t.provider.name: t.provider for t in self.targets}.values())

    def target(self, target_id: str) -> Target:
        """The target with this id; raises KeyError when there is none."""
        for target in self.targets:
            if target.id == target_id:
                return target
        raise KeyError(target_id)
