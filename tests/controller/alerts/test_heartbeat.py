"""The heartbeat: it pings while all is well, at its pace, and not a moment longer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from controller.alerts.heartbeat import TIMEOUT_S, Heartbeat, ping
from controller.alerts.service_health import STUCK_S, ServiceHealth
from probes.target import Secret
from probes.transport.http_transport import tls_context
from tests.support.receiver import HANG, RESET, Answer, receiving


@dataclass
class Clock:
    """Monotonic seconds that pass when told to."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Said:
    """What was kept for people."""

    words: list[str | None] = field(default_factory=list)

    async def __call__(self, why: str | None) -> None:
        self.words.append(why)


def pinging(url: str, timeout_s: float = TIMEOUT_S) -> Callable[[], Awaitable[str | None]]:
    """Pings that address."""
    return partial(ping, Secret(url), tls=tls_context(None), timeout_s=timeout_s)


def heart(
    pings: Callable[[], Awaitable[str | None]], vitals: ServiceHealth, clock: Clock, said: Said | None = None
) -> Heartbeat:
    """A heartbeat of a minute over a service that probes every 30 s."""
    return Heartbeat(pings, 60.0, lambda: vitals.trouble(30.0), keep=said or Said(), monotonic=clock)


async def test_it_pings_at_once_and_then_at_its_pace() -> None:
    """A service that starts is known to be there at once."""
    clock = Clock()
    vitals = ServiceHealth(monotonic=clock)
    async with receiving() as receiver:
        beating = heart(pinging(f"{receiver.url}/ping/abc?rid=1"), vitals, clock)
        made = []
        for _ in range(121):
            vitals.cycled(None)
            vitals.probed()
            made.append(await beating.ping_if_due())
            clock.now_s += 1
    assert [second for second, did in enumerate(made) if did] == [0, 60, 120]
    assert {(one.method, one.path) for one in receiver.requests} == {("GET", "/ping/abc?rid=1")}


def _cycle_is_stuck(vitals: ServiceHealth, clock: Clock) -> None:
    clock.now_s += STUCK_S + 1
    vitals.probed()


def _no_probe_is_made(vitals: ServiceHealth, clock: Clock) -> None:
    clock.now_s += STUCK_S + 3 * 30 + 1
    vitals.cycled(None)


def _file_is_unpublished(vitals: ServiceHealth, clock: Clock) -> None:
    vitals.cycled("routing file /srv/routing.json cannot be written: the disk is full")


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        pytest.param(_cycle_is_stuck, "no control cycle has succeeded for 31 s", id="the cycle is stuck"),
        pytest.param(_no_probe_is_made, "no probe was made for 2 min 1 s", id="no probe is made"),
        pytest.param(_file_is_unpublished, "the routing file cannot be written", id="the file is not published"),
    ],
)
async def test_it_stops_when_the_service_is_not_well(
    happens: Callable[[ServiceHealth, Clock], None], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No ping, however long that lasts, one line in the log; and a ping at once when it is well again."""
    clock = Clock()
    vitals = ServiceHealth(monotonic=clock)
    async with receiving() as receiver:
        beating = heart(pinging(receiver.url), vitals, clock)
        assert await beating.ping_if_due()
        happens(vitals, clock)
        assert vitals.trouble(30.0) == why
        clock.now_s += 60
        for _ in range(5):
            assert not await beating.ping_if_due()
        assert caplog.text.count("heartbeat_withheld") == 1
        vitals.cycled(None)
        vitals.probed()
        assert await beating.ping_if_due()
    assert len(receiver.requests) == 2


def test_a_moment_without_a_cycle_or_a_probe_is_no_trouble() -> None:
    """A locked database for some seconds, or a target that is asked every 30 s, is not a dead monitor."""
    clock = Clock()
    vitals = ServiceHealth(monotonic=clock)
    clock.now_s += STUCK_S
    assert vitals.trouble(30.0) is None
    vitals.cycled(None)
    clock.now_s += STUCK_S
    assert vitals.trouble(30.0) is None
    assert vitals.trouble(1.0) is not None, "60 s without a probe where one is due each second"


async def test_failures_are_kept_and_logged_once_until_one_arrives(caplog: pytest.LogCaptureFixture) -> None:
    """Not a line a minute; and the address, which is a secret, in none of them."""
    clock, said = Clock(), Said()
    vitals = ServiceHealth(monotonic=clock)
    refused = Answer(status="404 Not Found")
    async with receiving([refused, refused, RESET]) as receiver:
        beating = heart(pinging(f"{receiver.url}/s3cr3t"), vitals, clock, said)
        for _ in range(5):
            vitals.cycled(None)
            vitals.probed()
            assert await beating.ping_if_due()
            clock.now_s += 60
    assert said.words == ["the heartbeat was answered with HTTP 404: check alerts.heartbeat_url", None]
    assert caplog.text.count("heartbeat_not_taken") == 1
    assert "s3cr3t" not in caplog.text


async def test_a_service_that_hangs_costs_its_deadline_alone() -> None:
    """It is a failed ping."""
    async with receiving([HANG]) as receiver:
        assert await pinging(receiver.url, timeout_s=0.1)() == ("the heartbeat did not arrive: no answer within 0.1 s")


def test_a_database_that_is_not_written_withholds_it() -> None:
    """The service decides and publishes, but a person has to look; a short lock is no matter."""
    clock = Clock()
    vitals = ServiceHealth(monotonic=clock)
    for _ in range(int(STUCK_S) + 1):
        assert vitals.trouble(30.0) is None
        clock.now_s += 1
        vitals.cycled(None, behind=True)
        vitals.probed()
    assert vitals.trouble(30.0) == "the database has not been written for 31 s"
    vitals.cycled(None)
    assert vitals.trouble(30.0) is None
