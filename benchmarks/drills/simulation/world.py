"""What the service meets outside: settings, what providers and endpoints answer, and a Slack that remembers."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Final, Protocol

from benchmarks.drills.simulation.history import PROVIDERS, ROUTES, FaultKind, History
from controller.alerts.channel import AlertChannel, DeliveryError
from controller.alerts.delivery import Action, Delivery, PlannedMessage, Receipt
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.slack.planner import plan_messages
from controller.alerts.slack.planning_input import SINK, PlanningInput
from monitor.config.alert_settings import AlertSettings, SlackSettings
from monitor.config.controller_settings import Blips, ControllerSettings, Failback
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.storage.column_conversions import to_ms
from probes.observation import OWN_FAULT, Observation, replaced
from probes.outcome import Outcome
from probes.target import Check, Provider, Secret, Target, Timeouts

BEGAN: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
INTERVAL_S: Final = 10.0
TIMEOUT_S: Final = 5.0
_CONNECT_S: Final = 2.0
_SLACK: Final = SlackSettings(token=Secret("xoxb-nobody"), channel="#llm-status", most_per_hour=1000)


def settings_in(folder: Path, *, reloaded: bool = False) -> Settings:
    """Four targets of three providers and two routes, all of it quick; reloaded, another order and interval."""
    interval_s = 12.0 if reloaded else INTERVAL_S
    routes = {**ROUTES, "batch": (*ROUTES["batch"], "three/a")} if reloaded else ROUTES
    return Settings(
        path=folder / "hotspare.yaml",
        database=f"sqlite:///{folder}/data/hotspare.db",
        routing_file=folder / "routes" / "routing.json",
        targets=tuple(replace(target, interval_s=interval_s) for target in _targets()),
        routes=tuple(Route(name=name, candidates=candidates) for name, candidates in routes.items()),
        controller=_controller(),
        alerts=AlertSettings(slack=_SLACK),
    )


@cache
def _targets() -> tuple[Target, ...]:
    return tuple(
        Target(
            provider=Provider(
                name=name, dialect="openai-chat", base_url=f"https://{name}.example/v1", api_key=Secret("k")
            ),
            model=model,
            checks=(Check.CHAT,),
            timeouts=Timeouts(connect_s=_CONNECT_S, first_token_s=TIMEOUT_S, total_s=TIMEOUT_S),
            slow_s=4.0,
        )
        for name, models in PROVIDERS.items()
        for model in models
    )


@cache
def _controller() -> ControllerSettings:
    blips = Blips(per_day=5, length=(0.5, 2.0))
    return ControllerSettings(min_outage_s=3.0, dwell_s=10.0, failback=Failback(hold_s=15.0), blips=blips)


class World:
    """Providers and the network, in one history; `at_s` is true time."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._dice = Random(f"answers {history.seed}")

    def answer(self, target: str, at_s: float, now: datetime, hang_s: float) -> Observation:
        """What a probe observes that begins then; it gives up after `hang_s`."""
        return observed(
            self._dice,
            target,
            now,
            hang_s=hang_s,
            is_cut_off=self._history.near(at_s, frozenset({FaultKind.NETWORK})),
            faults=(each for each in self._history.faults if each.hits(target) and each.at_s <= at_s < each.until_s),
        )

    def endpoints(self, asked: Sequence[str], at_s: float) -> frozenset[str]:
        """Those that answer."""
        return frozenset() if self._history.near(at_s, frozenset({FaultKind.NETWORK})) else frozenset(asked)

    def slack_answers(self, at_s: float) -> bool:
        """Whether Slack can be reached."""
        return not self._history.near(at_s, frozenset({FaultKind.SLACK, FaultKind.NETWORK}))

    def slack_replies(self, at_s: float) -> bool:
        """Whether what Slack has taken is confirmed."""
        return not self._history.near(at_s, frozenset({FaultKind.REPLY_LOST}))


class ProviderFault(Protocol):
    """What providers do wrong."""

    @property
    def outcome(self) -> str:
        """How probes end; empty where they are throttled."""

    @property
    def share(self) -> float:
        """How many of them."""


def observed(
    dice: Random, target: str, now: datetime, *, hang_s: float, is_cut_off: bool, faults: Iterable[ProviderFault]
) -> Observation:
    """What a probe observes that begins now, while these faults go on; it gives up after `hang_s`."""
    well = Observation(
        target=target,
        check=Check.CHAT,
        started_at=now,
        outcome=Outcome.OK,
        duration_s=dice.uniform(0.2, 0.6),
        http_status=200,
    )
    if is_cut_off:
        return replaced(well, outcome=Outcome.UNREACHABLE, duration_s=_CONNECT_S, detail="no way", http_status=None)
    for fault in faults:
        if dice.random() >= fault.share:
            continue
        if not fault.outcome:
            return replaced(well, outcome=Outcome.RATE_LIMITED, detail="HTTP 429", http_status=429, retry_after_s=8)
        outcome = Outcome(fault.outcome)
        took_s = {Outcome.TIMEOUT: min(hang_s, TIMEOUT_S), Outcome.UNREACHABLE: _CONNECT_S}
        duration_s = took_s.get(outcome, well.duration_s)
        return replaced(well, outcome=outcome, duration_s=duration_s, detail="simulated", http_status=None)
    return well


def stalled(observation: Observation, stood_still_s: float) -> Observation:
    """What a probe that was under way while the process stood still says of itself."""
    detail = f"{OWN_FAULT} failed: this machine was too busy"
    return replaced(
        observation,
        outcome=Outcome.BAD_REQUEST,
        duration_s=stood_still_s,
        detail=detail,
        failed_here=True,
        loop_lag_s=stood_still_s,
        http_status=None,
    )


class ReachedSlack(Protocol):
    """When Slack can be reached; seconds of true time."""

    def slack_answers(self, at_s: float, /) -> bool:
        """Whether it can."""

    def slack_replies(self, at_s: float, /) -> bool:
        """Whether what it has taken is confirmed."""


class RememberingSlack(AlertChannel):
    """Slack as the planner and the delivery worker see it: messages that are edited, and found again."""

    name = SINK
    resends = False

    def __init__(self, world: ReachedSlack) -> None:
        self._world = world
        self.at_s = 0.0
        self.posted: dict[tuple[str, str], list[Receipt]] = {}
        """What was posted, by the key of the delivery and when that was begun: once each."""
        self.told: dict[int, int] = {}
        """The highest revision of each incident that a message has told."""
        self._numbers = count(1)
        self._shown: dict[str, str] = {}

    def restart(self) -> None:
        """A new process knows nothing of what messages show."""
        self._shown = {}

    def plan(self, store: DeliveryStore, now: datetime, _waiting: Collection[str]) -> Sequence[PlannedMessage]:
        """As `SlackChannel` plans."""
        return plan_messages(PlanningInput(snapshot=store.snapshot(now), slack=_SLACK, now=now, shown=self._shown))

    async def deliver(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        """Take it, or not; perhaps without a reply."""
        assert planned.message is not None
        planned.message()
        if not self._world.slack_answers(self.at_s):
            raise DeliveryError("Slack cannot be reached", maybe_arrived=False)
        ts = planned.ts or ""
        if planned.action is Action.POST:
            ts = f"{next(self._numbers):06}"
            receipt = replace(planned.receipt, channel="C1", ts=ts)
            self.posted.setdefault((planned.key, str(to_ms(begun_at))), []).append(receipt)
        receipt = replace(planned.receipt, channel="C1", ts=ts)
        for incident, revision, _ in receipt.incidents:
            self.told[incident] = max(revision, self.told.get(incident, 0))
        if not self._world.slack_replies(self.at_s):
            raise DeliveryError("Slack's reply is lost", maybe_arrived=True)
        if planned.shows:
            self._shown[ts] = planned.shows
        return receipt

    async def find(self, delivery: Delivery) -> Receipt | None:
        """The message that was begun then."""
        if not self._world.slack_answers(self.at_s) or not self._world.slack_replies(self.at_s):
            raise DeliveryError("Slack cannot be reached")
        found = self.posted.get((delivery.key, str(to_ms(delivery.begun_at))))
        return found[0] if found else None

    def tests(self, _alert: object) -> "Sequence[tuple[str, str, PlannedMessage]]":  # type: ignore[override]
        """None."""
        return ()


def clock_at(at_s: float, set_by_s: float) -> datetime:
    """What the machine's clock says."""
    return BEGAN + timedelta(seconds=at_s + set_by_s)
