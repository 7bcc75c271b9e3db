"""Every setting as a frozen value with its default and unit; `monitor.config.schema` describes what each does."""

from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import Literal

from monitor.health import FAILING, Health
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
    fail_over_on: frozenset[Health] = FAILING
    """The health of the current target that moves the route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failback:
    """How a route returns to a more preferred candidate."""

    mode: Literal["auto", "manual", "steps"] = "auto"
    hold_s: float = 300.0
    """How long a recovered target must stay clean before it counts as up."""
    steps: tuple[float, ...] = (0.1, 0.5, 1.0)
    """Shares of the requests, rising to 1."""
    step_s: float = 120.0


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
    """The failure rate p1."""
    false_failovers_per_day: float = 1 / 90
    """Per route."""
    min_outage_s: float = 15.0
    dwell_s: float = 60.0
    failback: Failback = Failback()
    blips: Blips = Blips()
    dry_run: bool = False


class Severity(StrEnum):
    """How urgent a message is; the worst first."""

    CRITICAL = "critical"
    """A person must act now."""
    WARNING = "warning"
    """Something fails, and users are served all the same."""
    INFO = "info"
    """Worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When only critical messages are sent: from one time of day to another, over midnight too."""

    begin: time
    end: time
    zone: str
    """The name of a time zone, such as `Europe/Berlin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """A bot that posts in channels, or an incoming webhook."""

    token: Secret = NO_TOKEN
    """Empty with a webhook."""
    channel: str = ""
    api_url: str = "https://slack.com/api/"
    webhook_url: Secret | None = None
    """In place of token and channel."""
    channels: tuple[tuple[Severity, str], ...] = ()
    """Severities that do not go to `channel`."""
    mention: tuple[str, ...] = ()
    """As Slack writes them: `<@U012AB3CD>`, `<!here>`."""
    remind_s: float = 1800.0
    """0: never."""
    quiet_hours: QuietHours | None = None
    most_per_hour: int = 30
    app_token: Secret | None = None
    """None: messages have no buttons."""
    allowed_users: tuple[str, ...] | None = None
    """Member ids; None: everybody who sees the message."""

    def channel_of(self, severity: Severity) -> str:
        """Where a message of this severity goes."""
        return dict(self.channels).get(severity, self.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherChannels:
    """Alert channels besides Slack. Their addresses are secrets: whoever has one can use it."""

    webhook_url: Secret | None = None
    webhook_secret: Secret | None = None
    """None: the documents are not signed."""
    apprise: tuple[Secret, ...] = ()
    heartbeat_url: Secret | None = None
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
    """None: the environment's proxy variables apply."""
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
    connectivity_endpoints: tuple[str, ...] = (
        "https://one.one.one.one",
        "https://www.google.com/generate_204",
        "https://www.apple.com",
    )
    network: NetworkSettings = NetworkSettings()
    retention_raw_s: float = 14 * 86400.0
    budget_usd_per_month: float | None = None
    warnings: tuple[str, ...] = ()
    """Of the loader, each a sentence with its place."""

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
