"""Our own network, live: who asks the endpoints when, and where what they said goes."""

import asyncio
import contextlib
from datetime import datetime, timedelta

from monitor.connectivity.checker import ConnectivityChecker
from monitor.connectivity.messages import ConnectivityNote
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from tests.support.builders import T0, observation

BOTH = frozenset({"openai", "anthropic"})
ENDPOINTS = ("https://neutral.example", "https://other.example")


class World:
    """The network as it is: which endpoints answer, what time it is, what was kept and told."""

    def __init__(self, *, answering: bool) -> None:
        self.answering = answering
        self.asked = 0
        self.now = T0
        self.kept: list[ConnectivityObservation] = []
        self.heard = asyncio.Event()
        self.notes: list[ConnectivityNote] = []
        self.network = ConnectivityChecker(
            NetworkLossDetector(ENDPOINTS, BOTH),
            self.answer,
            keep=self.keep,
            notify=self.notes.append,
            clock=self.clock,
        )

    async def answer(self) -> frozenset[str]:
        """Which of the endpoints answer right now."""
        self.asked += 1
        await asyncio.sleep(0)
        return frozenset(ENDPOINTS) if self.answering else frozenset()

    def keep(self, said: ConnectivityObservation) -> None:
        """What the endpoints said."""
        self.kept.append(said)
        self.heard.set()

    def clock(self) -> datetime:
        """The present of this world."""
        return self.now

    async def sees(self, symbols: str, *, after_s: float = 10) -> str:
        """What is blind, `b` or `-` each, after openai and anthropic were seen with these outcomes."""
        self.now += timedelta(seconds=after_s)
        names = ("openai/a", "anthropic/b")
        at_s = (self.now - T0).total_seconds() - 0.1
        batch = [observation(symbol, at_s=at_s, name=name) for symbol, name in zip(symbols, names, strict=False)]
        blind = await self.network.find_blind(batch)
        return "".join("b" if seen in blind else "-" for seen in batch)


async def test_a_failure_that_may_be_ours_has_the_endpoints_asked_before_it_is_judged() -> None:
    """They answer, so it is the provider's; what they said is kept."""
    world = World(answering=True)
    assert await world.sees("t.") == "--"
    assert world.asked == 1
    assert world.kept == [
        ConnectivityObservation(
            at=world.now, state=ConnectivityState.ONLINE, asked=ENDPOINTS, answered=frozenset(ENDPOINTS)
        )
    ]


async def test_when_the_endpoints_fail_too_it_is_us() -> None:
    """It is said when it begins, and once when our network has been back for a minute."""
    world = World(answering=True)
    await world.sees("t.")
    world.answering = False
    assert await world.sees("t.") == "b-"
    assert await world.sees("tt") == "bb"
    assert [one.state for one in world.kept] == [ConnectivityState.ONLINE, ConnectivityState.BLIND]
    assert [note.kind for note in world.notes] == ["network_lost"]
    world.answering = True
    for _ in range(2):
        await asyncio.wait_for(watched(world), 5)
        world.now += timedelta(seconds=61)
    await world.sees("..")
    assert [(note.kind, note.notify) for note in world.notes] == [("network_lost", False), ("network_back", True)]
    assert "3 failed probes (anthropic 1, openai 2)" in world.notes[-1].text


async def watched(world: World) -> None:
    """Let the watch ask once."""
    world.heard.clear()
    watch = asyncio.create_task(world.network.watch())
    await world.heard.wait()
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch


async def test_nobody_waits_for_the_endpoints_while_all_is_well_or_all_is_dark() -> None:
    """Answers need no asking, and failures in a known darkness are blind without: no cycle waits for a timeout."""
    world = World(answering=False)
    assert await world.sees("..") == "--"
    assert await world.sees("xs") == "--"
    assert world.asked == 0
    world.answering = True
    await world.sees("t")
    world.answering = False
    await world.sees("t")
    asked = world.asked
    for _ in range(10):
        assert await world.sees("tt") == "bb"
    assert world.asked == asked


async def test_two_who_ask_at_once_share_one_answer() -> None:
    """However many probes time out at once, and whoever else finds it due."""
    world = World(answering=True)
    await asyncio.gather(watched(world), *(world.sees("t", after_s=0) for _ in range(10)))
    assert world.asked == 1
    for _ in range(10):
        await world.sees("t", after_s=0.15)
    assert world.asked == 1


async def test_an_answer_from_this_machine_does_not_bring_the_network_back() -> None:
    """Only neutral endpoints do, where they are trusted: a model on loopback always answers."""
    world = World(answering=True)
    await world.sees("t")
    world.answering = False
    assert await world.sees("t.") == "b-"
    assert await world.sees(".") == "-"
    assert await world.sees("t.") == "b-"
    assert [note.kind for note in world.notes] == ["network_lost"]
