"""The schedule on a real event loop with real APScheduler, at intervals of a fraction of a second."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.scheduler import ProbeScheduler
from probes.context_check import CONTEXT, ContextCheck
from probes.target import Check, Target
from tests.support.builders import target


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


class Asked:
    """Counts what the schedule asks for, and may take its time over it."""

    def __init__(self, *, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.probes: list[tuple[str, str]] = []
        self.finished = 0
        self.afresh = 0
        self.skipped: list[tuple[str, str]] = []
        self.begun = asyncio.Event()
        self.enough = asyncio.Event()
        self.wanted = 10**9

    async def probe(self, asked: Target, check: str, *, afresh: bool = False) -> None:
        """Stands for a probe."""
        self.afresh += afresh
        self.probes.append((asked.id, check))
        self.begun.set()
        await asyncio.sleep(self.takes_s)
        self.finished += 1
        if self.finished >= self.wanted:
            self.enough.set()

    def skip(self, target_id: str, why: str) -> None:
        """Stands for the record of a skipped probe."""
        self.skipped.append((target_id, why))
        self.enough.set()

    async def until(self, wanted: int) -> None:
        """Wait until so many probes have finished."""
        self.wanted = wanted
        if self.finished < wanted:
            await asyncio.wait_for(self.enough.wait(), 20)


@pytest.mark.slow
async def test_intervals_can_change_while_it_runs() -> None:
    """A stretched target is asked once more, within its longer interval, and then seldom; the others go on as ever."""
    asked = Asked()
    often = [target("openai/a", interval_s=0.05), target("own/b", interval_s=0.05)]
    schedule = ProbeScheduler(often, asked.probe, asked.skip)
    schedule.start(utc_now())
    await asked.until(4)
    schedule.update([target("openai/a", interval_s=3600.0), often[1]], utc_now())
    asked.probes.clear()
    asked.enough.clear()
    await asked.until(asked.finished + 10)
    assert sum(name == "openai/a" for name, _ in asked.probes) <= 1
    schedule.update(often, utc_now())
    asked.probes.clear()
    asked.enough.clear()
    await asked.until(asked.finished + 10)
    assert sum(name == "openai/a" for name, _ in asked.probes) >= 3
    await schedule.stop(1)


@pytest.mark.slow
async def test_targets_can_come_and_go_while_it_runs() -> None:
    """One that goes is asked no more, nor by extra probes; one that comes is asked at once; who stays keeps its time.

    Nothing begins between `pause` and `resume`, and what was due then is made up for.
    """
    asked = Asked()
    seldom, gone, new = (target(name, interval_s=s) for name, s in (("a/a", 3600), ("b/b", 0.05), ("c/c", 0.05)))
    schedule = ProbeScheduler([seldom, gone], asked.probe, asked.skip)
    schedule.start(utc_now())
    await asked.until(4)
    schedule.pause()
    await asyncio.sleep(0.1)
    finished = asked.finished
    schedule.add_burst_probe("b/b", ("b/b",), utc_now())
    schedule.add_burst_probe("x", ("b/b", "c/c"), utc_now())
    schedule.add_burst_probe("y", ("b/b",), utc_now(), afresh=True)
    for _ in range(50):
        schedule.update([seldom, new], utc_now())
    assert asked.finished == finished
    asked.probes.clear()
    asked.enough.clear()
    schedule.resume()
    await asked.until(finished + 5)
    assert {name for name, _ in asked.probes} == {"c/c"}
    await schedule.stop(1)
    assert asked.skipped == []


async def test_probes_asked_afresh_begin_beside_those_under_way() -> None:
    """Each of them is awaited as evidence; one that is only planned in the same slot is replaced."""
    asked = Asked(takes_s=0.3)
    schedule = ProbeScheduler([target("openai/a", interval_s=3600.0)], asked.probe, asked.skip)
    schedule.start(utc_now() + timedelta(seconds=1800))
    for begun in (1, 2):
        for slot in ("afresh 0", "afresh 1"):
            schedule.add_burst_probe(slot, ("openai/a",), utc_now(), afresh=True)
        while len(asked.probes) < 2 * begun:  # noqa: ASYNC110 - the schedule says nothing
            await asyncio.sleep(0.01)
        assert asked.finished == 0
    for at_s in (3600.0, 0.0):
        schedule.add_burst_probe("afresh 2", ("openai/a",), utc_now() + timedelta(seconds=at_s), afresh=True)
    await asked.until(5)
    await schedule.stop(1)
    assert (len(asked.probes), asked.afresh) == (5, 5)
    assert asked.skipped == []


async def test_a_clock_set_forward_costs_nothing() -> None:
    """Of the runs missed in 400 days, seventeen million, the last is made; to walk through them takes minutes."""
    asked = Asked()
    schedule = ProbeScheduler([target("openai/a", interval_s=2.0)], asked.probe, asked.skip)
    schedule.start(utc_now() - timedelta(days=400))
    await asked.until(1)
    assert len(asked.probes) == 1
    await schedule.stop(1)


async def test_every_target_is_asked_again_and_again() -> None:
    """Each at its interval, the first at once."""
    asked = Asked()
    schedule = ProbeScheduler(
        [target("openai/a", interval_s=0.05), target("openai/b", interval_s=0.05)], asked.probe, asked.skip
    )
    schedule.start(utc_now())
    await asked.until(8)
    await schedule.stop(1)
    counts = [sum(name == wanted for name, _ in asked.probes) for wanted in ("openai/a", "openai/b")]
    assert min(counts) >= 3
    assert asked.skipped == []


async def test_checks_take_turns() -> None:
    """A target with two checks costs no more than one with one."""
    asked = Asked()
    both = target("openai/a", interval_s=0.05)
    schedule = ProbeScheduler(
        [Target(provider=both.provider, model=both.model, interval_s=0.05, checks=(Check.CHAT, Check.STREAM))],
        asked.probe,
        asked.skip,
    )
    schedule.start(utc_now())
    await asked.until(4)
    await schedule.stop(1)
    assert [check for _, check in asked.probes[:4]] == [Check.CHAT, Check.STREAM, Check.CHAT, Check.STREAM]


async def test_a_probe_never_overlaps_itself_and_the_skip_is_recorded() -> None:
    """While one is under way the next due one is skipped, with the reason, once the clock comes round to it."""
    asked = Asked(takes_s=0.5)
    schedule = ProbeScheduler([target("openai/a", interval_s=0.1)], asked.probe, asked.skip)
    schedule.start(utc_now())
    await asyncio.wait_for(asked.enough.wait(), 20)
    assert asked.skipped[0] == ("openai/a", "the previous probe of this target was still under way")
    assert len(asked.probes) == 1
    await schedule.stop(0)


async def test_an_extra_probe_comes_when_asked_for() -> None:
    """Between two regular ones, and only the latest that was asked for."""
    asked = Asked()
    schedule = ProbeScheduler([target("openai/a", interval_s=3600)], asked.probe, asked.skip)
    schedule.start(utc_now())
    await asked.until(1)
    schedule.add_burst_probe("openai/a", ["openai/a"], utc_now() + timedelta(hours=1))
    schedule.add_burst_probe("openai/a", ["openai/a"], utc_now() + timedelta(seconds=0.05))
    asked.enough.clear()
    await asked.until(2)
    await schedule.stop(1)
    assert len(asked.probes) == 2


async def test_slots_do_not_displace_each_other() -> None:
    """A target's own extra probe and that of its provider are both made."""
    asked = Asked()
    schedule = ProbeScheduler([target("openai/a", interval_s=3600)], asked.probe, asked.skip)
    schedule.start(utc_now())
    await asked.until(1)
    schedule.add_burst_probe("openai/a", ["openai/a"], utc_now() + timedelta(seconds=0.2))
    schedule.add_burst_probe("openai", ["openai/a"], utc_now() + timedelta(seconds=0.05))
    asked.enough.clear()
    await asked.until(3)
    await schedule.stop(1)
    assert asked.probes == [("openai/a", Check.CHAT)] * 3


@pytest.mark.slow
async def test_an_extra_probe_asks_the_first_that_is_free() -> None:
    """Whoever is being asked already is passed over; when all are, nobody is asked and nothing is skipped."""
    asked = Asked(takes_s=0.5)
    schedule = ProbeScheduler(
        [target("openai/a", interval_s=3600), target("openai/b", interval_s=3600)], asked.probe, asked.skip
    )
    begun = utc_now()
    schedule.start(begun)
    for number in range(3):
        schedule.add_burst_probe(
            f"slot {number}", ["openai/a", "openai/b"], begun + timedelta(seconds=0.1 * (number + 1))
        )
    await asked.until(2)
    await schedule.stop(1)
    assert (asked.probes, asked.skipped) == ([("openai/a", Check.CHAT), ("openai/b", Check.CHAT)], [])


@pytest.mark.slow
async def test_an_extra_probe_under_way_stands_for_a_regular_one() -> None:
    """A regular probe that falls due meanwhile is no skip."""
    asked = Asked(takes_s=0.4)
    schedule = ProbeScheduler([target("openai/a", interval_s=1.0)], asked.probe, asked.skip)
    begun = utc_now()
    schedule.start(begun)
    schedule.add_burst_probe("openai/a", ["openai/a"], begun + timedelta(seconds=0.8))
    await asked.until(2)
    assert (len(asked.probes), asked.skipped) == (2, [])
    await schedule.stop(1)


async def test_stopping_lets_probes_under_way_finish() -> None:
    """What has been asked is still heard, within the patience."""
    asked = Asked(takes_s=0.2)
    schedule = ProbeScheduler([target("openai/a", interval_s=3600)], asked.probe, asked.skip)
    schedule.start(utc_now())
    await asyncio.wait_for(asked.begun.wait(), 20)
    await schedule.stop(10)
    assert asked.finished == 1


async def test_stopping_does_not_wait_for_ever() -> None:
    """A probe that outlasts the patience is cancelled."""
    asked = Asked(takes_s=3600)
    schedule = ProbeScheduler([target("openai/a", interval_s=3600)], asked.probe, asked.skip)
    schedule.start(utc_now())
    await asyncio.wait_for(asked.begun.wait(), 20)
    await schedule.stop(0.05)
    assert asked.finished == 0


@pytest.mark.slow
async def test_after_a_clock_was_set_back_probing_goes_on() -> None:
    """What the old clock had planned an hour ahead is planned anew."""
    asked = Asked()
    schedule = ProbeScheduler([target("openai/a", interval_s=0.05)], asked.probe, asked.skip)
    schedule.start(utc_now() + timedelta(hours=1))
    schedule.add_burst_probe("openai/a", ["openai/a"], utc_now() + timedelta(hours=1))
    await asyncio.sleep(0.2)
    assert asked.probes == []
    schedule.replan(utc_now())
    await asked.until(3)
    await schedule.stop(1)


@pytest.mark.slow
async def test_the_check_context_is_asked_beside_the_others() -> None:
    """At its own interval, while a regular probe is under way as well; once more on demand, and not after a reload."""
    asked = Asked()
    plain = target("openai/a", interval_s=3600.0)
    long = replace(plain, context_check=ContextCheck(tokens=9, every_s=0.1))
    schedule = ProbeScheduler([long, target("own/b", interval_s=3600.0)], asked.probe, asked.skip)
    schedule.start(utc_now())
    await asked.until(6)
    assert asked.probes.count((plain.id, CONTEXT)) >= 4
    assert ("own/b", CONTEXT) not in asked.probes
    schedule.update([plain], utc_now())
    asked.probes.clear()
    schedule.ask_context_again(plain.id, utc_now())
    await asyncio.sleep(0.3)
    assert asked.probes == []
    schedule.update([replace(long, context_check=ContextCheck(tokens=9))], utc_now())
    schedule.ask_context_again(plain.id, utc_now())
    await asked.until(asked.finished + 1)
    assert asked.probes == [(plain.id, CONTEXT)]
    await schedule.stop(1)
