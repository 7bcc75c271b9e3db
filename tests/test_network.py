"""Is it us: what the neutral endpoints and the providers say together."""

from datetime import datetime, timedelta

from controller.network import Network
from tests.builders import T0, observation

BOTH = frozenset({"openai", "anthropic"})
ENDPOINTS = ("https://neutral.example", "https://other.example")


class World:
    """The network as it is: which endpoints answer, what time it is, and what was noted."""

    def __init__(self, *, answering: bool) -> None:
        self.answering = answering
        self.asked = 0
        self.now = T0
        self.notes: list[str] = []
        self.network = Network(ENDPOINTS, self.answer, self.note, clock=self.clock)

    async def answer(self) -> frozenset[str]:
        """Which of the endpoints answer right now."""
        self.asked += 1
        return frozenset(ENDPOINTS[:1]) if self.answering else frozenset()

    def note(self, kind: str, subject: str, text: str) -> None:
        """Keep the kind."""
        assert subject == "network"
        assert text
        self.notes.append(kind)

    def clock(self) -> datetime:
        """The present of this world."""
        return self.now

    async def sees(self, symbols: str, *, after_s: float = 10) -> bool:
        """Blind or not, after openai and anthropic were seen with these outcomes."""
        self.now += timedelta(seconds=after_s)
        names = ("openai/a", "anthropic/b")
        at_s = (self.now - T0).total_seconds()
        batch = [observation(symbol, at_s=at_s, name=name) for symbol, name in zip(symbols, names, strict=False)]
        return await self.network.blind(batch, BOTH)


async def test_a_provider_that_fails_alone_is_not_us() -> None:
    """A neutral endpoint answers: its timeouts are its own."""
    world = World(answering=True)
    assert not await world.sees("t.")
    assert world.notes == []


async def test_when_neutral_endpoints_fail_too_it_is_us() -> None:
    """Endpoints that answered within the hour do not any more; it is said once, and once when it is over."""
    world = World(answering=True)
    assert not await world.sees("t")
    world.answering = False
    assert await world.sees("t")
    assert await world.sees("tt")
    world.answering = True
    assert not await world.sees("tt")
    assert world.notes == ["network_lost", "network_back"]


async def test_nobody_is_asked_while_all_is_well() -> None:
    """Answers of any kind prove the network; so does an error with a status."""
    world = World(answering=False)
    assert not await world.sees("..")
    assert not await world.sees("xs")
    assert world.asked == 0


async def test_endpoints_are_asked_at_most_every_five_seconds() -> None:
    """However many probes time out at once."""
    world = World(answering=True)
    for _ in range(10):
        await world.sees("t", after_s=0.4)
    assert world.asked == 1


async def test_without_trusted_endpoints_the_providers_decide() -> None:
    """Where none has ever answered, a failure is a provider's own once another has answered after it; said once."""
    world = World(answering=False)
    assert await world.sees("t"), "nobody else has been heard since"
    await world.sees("t.")
    assert not await world.sees("t"), "the other one has answered since these began"
    assert await world.sees("tt", after_s=130), "now neither does"
    assert not await world.sees("..")
    assert world.notes == ["endpoints_untrusted", "network_lost", "network_back"]


async def test_an_empty_batch_changes_nothing() -> None:
    """A cycle without observations neither finds nor loses the network."""
    world = World(answering=True)
    await world.sees("t")
    world.answering = False
    assert await world.sees("t")
    assert await world.sees("")
    assert world.notes == ["network_lost"]


async def test_an_answer_from_this_machine_does_not_bring_the_network_back() -> None:
    """Only neutral endpoints do, where they are trusted: a model on loopback always answers."""
    world = World(answering=True)
    await world.sees("t")
    world.answering = False
    assert await world.sees("t.")
    assert await world.sees(".")
    assert world.notes == ["network_lost"]
