"""One target in detail: parts of time, checks, phases, hours of the week."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from controller.status.details import target
from monitor.history.rollup import HOUR, OutcomeCounts
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from tests.support.builders import T0, observation


def _answer(**phases: float) -> Observation:
    return replaced(observation("."), fresh=False, **phases)


def test_parts_begin_at_whole_parts() -> None:
    """The same for every viewer, whenever they look."""
    parts = target.sum_parts([observation(".", at_s=s) for s in (0, 119, 120, 500)], timedelta(minutes=2))
    assert [(at - T0).total_seconds() for at, _ in parts] == [0, 120, 480]
    assert [rollup.counts.total for _, rollup in parts] == [2, 1, 1]


def test_checks_are_summed_up_apart() -> None:
    """By their names, in order."""
    probes = [observation("."), replaced(observation("x"), check="json")]
    sums = target.sum_checks(probes)
    assert {name: rollup.asked for name, rollup in sums.items()} == {"chat": {"ok": 1}, "json": {"server_error": 1}}


def test_phases_follow_each_other() -> None:
    """Each lasts from the end of the one before; a used connection has neither lookup nor handshake."""
    new = replaced(
        _answer(resolved_s=0.1, tcp_s=0.2, connected_s=0.4, first_byte_s=1.0, first_token_s=1.5, last_byte_s=3.0),
        fresh=True,
    )
    used = _answer(connected_s=0.0, first_byte_s=0.5, last_byte_s=0.75)
    failed = replace(new, outcome=Outcome.TIMEOUT)
    medians = target.phase_medians([new, new, failed, used, observation(".")])
    rounded = [(each.check, each.reused, each.answers, [round(s, 6) for s in each.seconds]) for each in medians]
    assert rounded == [
        ("chat", False, 2, [0.1, 0.1, 0.2, 0.6, 0.5, 1.5]),
        ("chat", True, 1, [0.0, 0.0, 0.0, 0.5, 0.0, 0.25]),
    ]


def test_hours_of_the_week_are_those_of_the_viewer() -> None:
    """T0 is a Saturday at 18:00 UTC: in Auckland it is Sunday morning."""
    one = OutcomeCounts(total=2, ok=1, answered=1)
    weeks = {T0: one, T0 + timedelta(days=7): one, T0 + HOUR: OutcomeCounts(total=5)}
    assert target.by_hour_of_week(weeks, ZoneInfo("UTC"))[5, 18] == one + one
    assert target.by_hour_of_week(weeks, ZoneInfo("Pacific/Auckland"))[6, 7] == one + one
