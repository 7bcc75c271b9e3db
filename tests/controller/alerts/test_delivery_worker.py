"""Telling a sink from a real database: what is told, when, in which order, after which failures, and after kill -9."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, select

from controller.alerts.alert import Alert
from controller.alerts.channel import DeliveryError, PerAlertChannel
from controller.alerts.delivery import Receipt
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.delivery_worker import DeliveryWorker
from controller.alerts.queries import read_due_alerts
from controller.incidents.incident import AffectedTarget, Incident, RouteImpact
from controller.journal import Journal
from monitor.clock import utc_now
from monitor.health import Health
from monitor.storage.database import DatabaseError, open_writer
from monitor.storage.store import Store
from monitor.storage.tables import DELIVERIES
from tests.support import incident_builders as alerts
from tests.support.builders import T0
from tests.support.paths import ROOT
from tests.support.receiver import HANG, RESET, TAKEN, receiving

T = TypeVar("T")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass
class Clock:
    """A wall clock and a monotonic one that move together, when told to."""

    now: datetime = T0 + 5 * MINUTE

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def pass_by(self, time: timedelta) -> None:
        self.now += time


@dataclass
class Friend(PerAlertChannel):
    """A channel that remembers what it took, and refuses as it is told."""

    name: str = "friend"
    every_change: bool = True
    gets: str = "everything"
    most_per_hour: int | None = None
    refusals: list[DeliveryError | None] = field(default_factory=list)
    offered: list[Alert] = field(default_factory=list)
    taken: list[Alert] = field(default_factory=list)

    async def send(self, alert: Alert) -> None:
        self.offered.append(alert)
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal:
            raise refusal
        self.taken.append(alert)


@dataclass
class World:
    """A journal, a sink and the worker between them."""

    engine: Engine
    clock: Clock = field(default_factory=Clock)
    friend: Friend = field(default_factory=Friend)

    def __post_init__(self) -> None:
        self.journal, self.store = Journal(self.engine), Store(self.engine)
        self.restart()

    def restart(self) -> None:
        """A new worker, which knows what the database knows."""
        self.store_of_friend = DeliveryStore(self.engine, self.friend.name)
        self.worker = DeliveryWorker(
            self.friend, self.store_of_friend, in_database=_here, clock=self.clock, monotonic=self.clock.monotonic
        )

    def keep(self, one: Incident) -> Incident:
        [kept] = self.journal.commit([], [one])
        return kept

    async def round(self, after: timedelta = timedelta(seconds=1)) -> list[str]:
        """One round, a moment later; the kinds and revisions that were taken in it."""
        self.clock.pass_by(after)
        before = len(self.friend.taken)
        await self.worker.deliver_once()
        return [told(one) for one in self.friend.taken[before:]]

    def row(self, key: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(select(DELIVERIES).where(DELIVERIES.c.key == key)).one_or_none()


async def _here(work: Callable[[], T], /) -> T:
    return work()


def told(alert: Alert) -> str:
    """`opened 1`: what an alert tells, in short."""
    if alert.incident:
        return f"{alert.kind.removeprefix('incident_')} {alert.incident.revision}"
    return f"{alert.kind} {alert.notice.kind if alert.notice else ''}"


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A world on a new database, whose sink has been configured since T0."""
    engine = open_writer(database_url)
    made = World(engine)
    DeliveryStore(engine, made.friend.name).due_alerts(T0)
    yield made
    engine.dispose()


# What is told.


async def test_each_revision_is_told_once_in_order(world: World) -> None:
    """Opened, changed, resolved; a round without news tells nothing."""
    opened = world.keep(alerts.incident())
    assert await world.round() == ["opened 1"]
    assert await world.round() == []
    changed = world.keep(alerts.changed(opened, acknowledged_by="ana"))
    assert await world.round() == ["changed 2"]
    world.keep(alerts.resolved(changed, world.clock.now))
    assert await world.round() == ["resolved 3"]
    world.restart()
    assert await world.round() == []
    assert len({one.id for one in world.friend.taken}) == 3


async def test_a_leader_that_is_not_sure_to_lead_sends_nothing(world: World) -> None:
    """It was paused between what it noted and what it sends; whoever leads sends it, once."""
    world.keep(alerts.incident())
    paused = DeliveryWorker(
        *(world.friend, world.store_of_friend),
        in_database=_here,
        may_send=lambda: False,
        clock=world.clock,
        monotonic=world.clock.monotonic,
    )
    with pytest.raises(DatabaseError, match="whoever leads sends what is due"):
        await paused.deliver_once()
    assert world.friend.offered == []
    assert await world.round() == ["opened 1"]


async def test_what_happened_while_nobody_listened_arrives_once(world: World) -> None:
    """Of several revisions the newest alone, and one that came and went is told as resolved."""
    opened = world.keep(alerts.incident())
    changed = world.keep(alerts.changed(opened))
    other = world.keep(alerts.incident(provider="anthropic"))
    world.keep(alerts.resolved(other, world.clock.now))
    assert await world.round() == ["opened 2", "resolved 2"]
    world.keep(alerts.changed(changed))
    assert await world.round() == ["changed 3"]


async def test_one_that_comes_back_is_opened_again(world: World) -> None:
    """Whoever closed a ticket at the end opens it again."""
    opened = world.keep(alerts.incident())
    await world.round()
    over = world.keep(alerts.resolved(opened, world.clock.now))
    await world.round()
    again = world.keep(alerts.reopened(over, world.clock.now + timedelta(milliseconds=500)))
    assert await world.round() == ["opened 3"]
    world.keep(alerts.changed(again))
    assert await world.round() == ["changed 4"]


async def test_one_that_flaps_is_opened_three_times_an_hour(world: World) -> None:
    """Where it cannot be edited, the fourth beginning and its end are left out; after an hour the next one is told."""
    world.friend.every_change = False
    incident, told = world.keep(alerts.incident()), []
    for _ in range(9):
        told += await world.round(timedelta(minutes=5))
        incident = world.keep(alerts.resolved(incident, world.clock.now))
        told += await world.round(timedelta(minutes=5))
        incident = world.keep(alerts.reopened(incident, world.clock.now))
    told += await world.round(timedelta(minutes=5))
    assert [what.split()[0] for what in told] == ["opened", "resolved"] * 3 + ["opened"]


async def test_notices_are_told_and_what_is_no_notice_is_not(world: World) -> None:
    """Events that people are to be told of, oldest first, also those that Slack was told of already."""
    world.store.add_event(T0 + MINUTE, "pinned", "chat", "ana pinned chat", notify=True)
    world.store.add_event(T0 + MINUTE, "probe_skipped", "chat", "busy")
    world.store.add_event(T0 + MINUTE, "drained", "openai", "ana drained openai", notify=True)
    DeliveryStore(world.engine, "slack").keep(Receipt(events=(1,)))
    assert await world.round() == ["notice pinned", "notice drained"]
    assert await world.round() == []


async def test_a_new_sink_is_not_told_what_is_over(world: World) -> None:
    """What is open, and what happens from now on."""
    world.keep(alerts.incident())
    over = world.keep(alerts.incident(provider="anthropic"))
    world.keep(alerts.resolved(over, world.clock.now))
    world.store.add_event(T0, "pinned", "chat", "ana pinned chat", notify=True)
    world.friend.name = "new"
    world.restart()
    assert await world.round(MINUTE) == ["opened 1"]


async def test_old_news_is_not_told_after_a_day_but_an_awaited_end_is(world: World) -> None:
    """What nobody heard of and is over for a day is left; who was told of the beginning is told of the end."""
    heard = world.keep(alerts.incident())
    await world.round()
    unheard = world.keep(alerts.incident(provider="anthropic"))
    world.store.add_event(world.clock.now, "pinned", "chat", "ana pinned chat", notify=True)
    world.keep(alerts.resolved(unheard, world.clock.now))
    world.keep(alerts.resolved(heard, world.clock.now))
    assert await world.round(timedelta(hours=25)) == ["resolved 2"]
    assert world.friend.taken[-1].incident == world.journal.incident(heard.id)


async def test_a_sink_that_cannot_edit_hears_what_matters(world: World) -> None:
    """The opening, what has become critical (once), and the end; no other change."""
    world.friend.every_change = False
    now = world.keep(alerts.incident())
    assert await world.round() == ["opened 1"]
    now = world.keep(alerts.changed(now, acknowledged_by="ana"))
    assert await world.round() == []
    now = world.keep(alerts.stuck(now))
    assert await world.round() == ["changed 3"]
    assert world.friend.taken[-1].severity == "critical"
    now = world.keep(alerts.changed(now))
    assert await world.round() == []
    over = world.keep(alerts.resolved(now, world.clock.now))
    assert await world.round() == ["resolved 5"]
    world.journal.comments.note(over.id, "it was the network", author="ana", at=world.clock.now)
    assert await world.round() == [], "a note on what is over is no second end"


def failing(provider: str, at: datetime, **more: Any) -> Incident:
    """One of its models is down since then."""
    ill = AffectedTarget(target=f"{provider}/m", health=Health.DOWN, since=at, reason=f"{provider}/m is down: it fails")
    return alerts.incident(provider=provider, opened_at=at, affected=(ill,), timeline=(), **more)


def stuck_on(of: Incident) -> Incident:
    """The same, and its route has nowhere to go."""
    return replace(of, routes=(RouteImpact(route="chat", target=of.affected[0].target, stuck=True),))


async def test_all_providers_that_fail_are_one_call_where_nothing_can_be_edited(world: World) -> None:
    """What opens under one headline waits for others, or for the critical one; each has its end, and no second call."""
    world.friend.every_change = False
    at = world.clock.now
    first = world.keep(failing("openai", at))
    second = world.keep(failing("anthropic", at, lead_id=first.id))
    assert await world.round() == []
    third = world.keep(stuck_on(failing("gemini", at, lead_id=first.id)))
    assert await world.round() == ["opened 1"]
    [call] = world.friend.taken
    assert (call.incident, call.severity) == (third, "critical")
    assert call.headline.startswith("🚨 Act now: 3 providers fail (gemini, openai, anthropic)")
    assert call.text.count("Also failing: ") == 2
    world.keep(stuck_on(alerts.changed(second)))
    assert await world.round(MINUTE) == [], "they have been called"
    world.restart()
    world.keep(alerts.resolved(first, world.clock.now))
    assert await world.round() == ["resolved 2"]


async def test_a_storm_is_bounded_but_what_is_critical_comes_through(world: World) -> None:
    """So many in any hour; what had to wait is told in its newest form once there is room."""
    world.friend.most_per_hour = 3
    kept = [world.keep(alerts.incident(provider=f"p{number}")) for number in range(6)]
    assert await world.round() == ["opened 1"] * 3
    urgent = world.keep(alerts.stuck(kept[4]))
    over = world.keep(alerts.resolved(kept[5], world.clock.now))
    assert await world.round() == ["opened 2"]
    assert world.friend.taken[-1].incident == urgent
    assert await world.round(HOUR + MINUTE) == ["opened 1", "resolved 2"]
    assert world.friend.taken[-1].incident == over


# Failures.


async def test_the_same_alert_keeps_its_id_until_it_is_taken(world: World) -> None:
    """Also over a restart: the receiver can tell a second try from a second event."""
    world.keep(alerts.incident())
    world.friend.refusals = [DeliveryError("no"), DeliveryError("no")]
    await world.round()
    await world.round(MINUTE)
    world.restart()
    assert await world.round(MINUTE) == ["opened 1"]
    first, second, third = world.friend.offered
    assert first == second == third


@pytest.mark.slow
async def test_trying_again_slows_down_and_waits_as_long_as_it_is_asked(world: World) -> None:
    """1, 2, 4 s; then what the other side asked for; after a success from the start again."""
    world.keep(alerts.incident())
    world.friend.refusals = [DeliveryError("no"), DeliveryError("no"), DeliveryError("no", retry_after_s=300)]
    second = timedelta(seconds=1)
    await world.round()
    for wait in (1, 2, 300):
        seen = len(world.friend.offered)
        await world.round(wait * second - second / 10)
        assert len(world.friend.offered) == seen, wait
        await world.round(second / 10)
        assert len(world.friend.offered) == seen + 1, wait
    assert len(world.friend.taken) == 1


async def test_what_only_a_person_can_put_right_is_shown_and_tried_rarely(world: World) -> None:
    """The sink's state says why, since when; the first success clears it, and nothing was lost."""
    world.keep(alerts.incident())
    world.friend.refusals = [DeliveryError("gone for good", permanent=True)]
    await world.round()
    state = world.store_of_friend.snapshot(world.clock.now).outage
    assert state is not None
    assert (state.error, state.over_at) == ("gone for good", None)
    assert world.row("friend incident 1 revision 1").error == "gone for good"
    await world.round(MINUTE)
    assert len(world.friend.offered) == 1
    assert await world.round(timedelta(seconds=Friend.permanent_retry_s)) == ["opened 1"]
    state = world.store_of_friend.snapshot(world.clock.now).outage
    assert state is not None
    assert state.over_at is not None
    assert world.row("friend incident 1 revision 1").error is None


async def test_one_refused_alert_holds_up_no_other(world: World) -> None:
    """What is wrong with one document is not wrong with the next; its next revision is tried at once."""
    refused = world.keep(alerts.incident())
    world.keep(alerts.incident(provider="anthropic"))
    world.friend.refusals = [DeliveryError("unprocessable", permanent=True, one_message=True)]
    assert await world.round() == ["opened 1"]
    assert await world.round(MINUTE) == []
    world.keep(alerts.changed(refused))
    assert await world.round() == ["opened 2"]
    assert world.row("friend incident 1 revision 1") is None


async def test_a_sink_that_takes_nothing_ends_the_round(world: World) -> None:
    """It is not asked once for each of twenty incidents."""
    for number in range(20):
        world.keep(alerts.incident(provider=f"p{number}"))
    world.friend.refusals = [DeliveryError("no")] * 20
    await world.round()
    assert len(world.friend.offered) == 1


async def test_what_is_long_over_is_forgotten(world: World) -> None:
    """Rows of the deliveries are kept as long as something may follow from them."""
    over = world.keep(alerts.incident())
    lasting = world.keep(alerts.incident(provider="anthropic"))
    await world.round()
    world.keep(alerts.resolved(over, world.clock.now))
    await world.round()
    assert await world.round(timedelta(days=40)) == []
    assert world.row(f"friend incident {over.id} revision 1") is None
    assert world.row(f"friend incident {lasting.id} revision 1") is not None
    assert world.row("friend since") is not None


@pytest.mark.slow
async def test_a_worker_survives_what_no_one_foresaw(world: World) -> None:
    """A sink that raises what it may not is logged, left alone for a while, and tried again."""
    stop = asyncio.Event()

    class Clumsy(Friend):
        async def send(self, alert: Alert) -> None:
            await super().send(alert)
            if len(self.offered) == 1:
                raise RuntimeError("a bug")
            stop.set()

    world.friend = Clumsy()
    world.restart()
    world.keep(alerts.incident())
    world.worker = DeliveryWorker(world.friend, DeliveryStore(world.engine, "friend"), in_database=_here)
    opened = replace(alerts.incident(), opened_at=utc_now())
    world.keep(opened)
    async with asyncio.timeout(30):
        await world.worker.run(stop)
    assert len(world.friend.offered) >= 2


# Over real sockets, from a process of its own.


async def _relay(database: str, url: str, *, until: Callable[[], bool]) -> None:
    """Relay the database to this address in a process of its own, and kill -9 that."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    words = [sys.executable, "-m", "tests.support.channel_process", database, url]
    started = subprocess.Popen(words, cwd=ROOT, env=kept, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - it takes no time
    try:
        await _until(until)
    finally:
        started.kill()
        started.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    [
        pytest.param([HANG], id="killed before the answer"),
        pytest.param([RESET, HANG], id="hung up on after it was read, then killed"),
    ],
)
async def test_kill_9_between_sending_and_noting_sends_the_same_alert_again(tmp_path: Path, first: list[Any]) -> None:
    """At least once, under the same id and with the same bytes; and never again once it was noted."""
    database = f"sqlite:///{tmp_path}/hotspare.db"
    engine = open_writer(database)
    Journal(engine).commit([], [replace(alerts.incident(), opened_at=utc_now())])
    engine.dispose()
    async with receiving([*first, TAKEN]) as receiver:
        await _relay(database, receiver.url, until=lambda: len(receiver.requests) == len(first))
        await _relay(database, receiver.url, until=lambda: not _due(database))
    assert _due(database) == []
    assert len(receiver.requests) == len(first) + 1
    assert len({request.headers["x-hotspare-delivery"] for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1


def _due(database: str) -> list[str]:
    engine = open_writer(database)
    try:
        with engine.connect() as connection:
            return [due.key for due in read_due_alerts(connection, "webhook", utc_now(), T0)]
    finally:
        engine.dispose()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - it is another process's doing
            await asyncio.sleep(0.05)
