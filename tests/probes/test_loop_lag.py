"""How late our own event loop was, as a probe in flight sees it."""

import asyncio
import time

import pytest

from probes.loop_lag import LagWatch, LoopLag


def test_stalls_add_up_and_a_busy_millisecond_is_none() -> None:
    """The worst tick is told; only ticks that are 20 ms late or more count for standing still."""
    watch = LagWatch(100.0)
    for due, now in ((100.0, 100.001), (100.01, 100.31), (100.32, 100.339), (100.35, 100.45)):
        watch.record_tick(due, now)

    assert watch.worst_s == pytest.approx(0.3)
    assert watch.stalled_s == pytest.approx(0.4)


def test_what_was_late_before_a_probe_began_is_not_its_own() -> None:
    """A probe that begins in the middle of a stall sees the rest of it."""
    watch = LagWatch(100.0)
    watch.record_tick(99.0, 100.05)

    assert watch.worst_s == pytest.approx(0.05)


async def test_every_probe_in_flight_sees_a_stall_once() -> None:
    """Also the one that ends while the tick is overdue, and one that goes on does not see it twice."""
    lag = LoopLag()
    began = time.monotonic()
    with lag.watch() as long:
        with lag.watch() as short:
            await asyncio.sleep(0)
            time.sleep(0.1)  # noqa: ASYNC251 - a computation that does not yield
        await asyncio.sleep(0.02)

    assert short.stalled_s > 0.08
    assert short.stalled_s <= long.stalled_s < time.monotonic() - began, "no more than there was time"


async def test_nothing_ticks_while_nobody_watches() -> None:
    """A service at rest does not wake up a hundred times a second."""
    lag = LoopLag()
    with lag.watch():
        assert lag._timer is not None
    assert lag._timer is None


async def test_others_prove_that_the_loop_carried_answers() -> None:
    """Stalls before three answers to probes that began later count no more; earlier probes prove nothing."""
    lag = LoopLag()
    with lag.watch() as earlier, lag.watch() as watch:
        await stall(0.1)
        for _ in range(3):
            lag.note_answer(earlier)
        assert watch.stalled_since_answers_s() == watch.stalled_s > 0.08
        with lag.watch() as later:
            await stall(0.05)
            for _ in range(3):
                assert watch.stalled_since_answers_s() == watch.stalled_s
                lag.note_answer(later)
        assert watch.stalled_since_answers_s() <= watch.stalled_s - 0.12
        await stall(0.2)
        assert 0.18 < watch.stalled_since_answers_s() <= watch.stalled_s - 0.12


async def test_an_answer_is_heard_at_the_end_of_a_stall() -> None:
    """Also before the tick that shows the stall has run."""
    lag = LoopLag()
    with lag.watch() as watch, lag.watch() as later:
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 - a computation that does not yield
        for _ in range(3):
            lag.note_answer(later)
        await asyncio.sleep(0.02)

    assert watch.stalled_s > 0.08
    assert watch.stalled_since_answers_s() <= watch.stalled_s - 0.08


async def stall(for_s: float) -> None:
    """Keeps the event loop from everything for so long, and lets it tick afterwards."""
    await asyncio.sleep(0)
    time.sleep(for_s)  # noqa: ASYNC251 - a computation that does not yield
    await asyncio.sleep(0.02)
