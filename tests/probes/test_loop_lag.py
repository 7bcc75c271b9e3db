"""How late our own event loop was, as a probe in flight sees it."""

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from probes.loop_lag import LagWatch, running_lag


def test_stalls_add_up_and_a_busy_millisecond_is_none() -> None:
    """The worst tick is told; only ticks that are 20 ms late or more count for standing still."""
    watch = LagWatch(100.0)
    for due, now in ((100.0, 100.001), (100.01, 100.31), (100.32, 100.339), (100.35, 100.45)):
        watch.note_due(due, now)

    assert watch.worst_s == pytest.approx(0.3)
    assert watch.stalled_s == pytest.approx(0.4)


def test_what_was_late_before_a_probe_began_is_not_its_own() -> None:
    """A probe that begins in the middle of a stall sees the rest of it."""
    watch = LagWatch(100.0)
    watch.note_due(99.0, 100.05)

    assert watch.worst_s == pytest.approx(0.05)


async def test_every_probe_in_flight_sees_a_stall_once() -> None:
    """Also the one that ends while the tick is overdue, and one that goes on does not see it twice."""
    lag = running_lag()
    began = time.monotonic()
    with lag.watch() as long:
        with lag.watch() as short:
            await asyncio.sleep(0)
            time.sleep(0.1)  # noqa: ASYNC251 - a computation that does not yield
        await asyncio.sleep(0.02)

    assert short.stalled_s > 0.08
    assert short.stalled_s <= long.stalled_s < time.monotonic() - began, "no more than there was time"


async def test_the_loop_wakes_to_look_only_while_somebody_watches() -> None:
    """A service at rest sleeps as long as it wants; with a probe in flight, what stops the process is seen."""
    lag = running_lag()
    began = time.monotonic()
    lag.select(0.2)
    assert time.monotonic() - began > 0.19
    with lag.watch():
        began = time.monotonic()
        lag.select(60)
        assert time.monotonic() - began < 30


_WAITING = """
import asyncio
from probes import loop_lag

async def wait():
    with loop_lag.running_lag().watch() as watch:
        print("waiting", flush=True)
        await asyncio.to_thread(input)
    print(watch.stalled_s)

loop_lag.run(wait())
"""


def test_a_process_that_was_stopped_knows_it() -> None:
    """Its loop did nothing meanwhile: it waited, and woke late."""
    with subprocess.Popen(
        [sys.executable, "-c", _WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
        stalled = process.communicate("\n")[0]

    assert float(stalled) > 0.4


async def test_probes_need_a_loop_that_measures_its_lag() -> None:
    """Another one is told apart at once, in place of answers that nobody could judge."""

    async def ask() -> None:
        with pytest.raises(RuntimeError, match="found <_UnixSelectorEventLoop"):
            running_lag()

    await asyncio.to_thread(asyncio.run, ask())


async def test_others_prove_that_the_loop_carried_answers() -> None:
    """Stalls before three answers to probes that began later count no more; earlier probes prove nothing."""
    lag = running_lag()
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
    lag = running_lag()
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
