"""The last probes of a target: counted in quiet time, kept across a restart, forgotten while we are blind."""

from dataclasses import replace
from datetime import timedelta

from monitor.detection.notes import note_afresh
from monitor.detection.recent_probes import add_probe, with_pending
from monitor.detection.target_state import TargetState, from_json, to_json
from monitor.health import RECENT_PROBES
from probes.outcome import Effect, Outcome
from tests.support.builders import T0, observation, parameters

QUIET = TargetState(target="openai/a", since=T0, clean_pending=5, last_seen_at=T0)


def test_the_clean_probes_of_quiet_time_are_part_of_them() -> None:
    """One interval apart, before the failure; at most twenty in all."""
    failure = replace(observation(), outcome=Outcome.SERVER_ERROR)
    recent = add_probe(QUIET, failure, 30.0, blind=False)
    assert [probe.effect for probe in recent] == [Effect.UP] * 5 + [Effect.DOWN]
    assert recent[0].at == T0 - timedelta(seconds=120)
    many = add_probe(QUIET.replace(clean_pending=1000), failure, 30.0, blind=False)
    assert len(many) == RECENT_PROBES


def test_a_good_answer_beside_the_schedule_takes_its_place_among_those_of_quiet_time() -> None:
    """Which stay pending: nothing is learned of it."""
    beside = observation(".", at_s=-70.0)
    after = note_afresh(QUIET, beside, parameters(), blind=False)
    assert (after.clean_pending, after.recent[-1].at) == (5, beside.finished_at)
    ages_s = [(T0 - probe.at).total_seconds() for probe in with_pending(after, 30.0)]
    assert [round(age_s / 10) for age_s in ages_s] == [12, 9, 7, 6, 3, 0]


def test_blindness_empties_them_and_a_restart_does_not() -> None:
    """A failure that our own network may have caused says nothing, nor does what was seen before."""
    failure = replace(observation(), outcome=Outcome.UNREACHABLE)
    assert add_probe(QUIET, failure, 30.0, blind=True) == ()
    state = QUIET.replace(recent=add_probe(QUIET, failure, 30.0, blind=False))
    assert from_json(to_json(state)) == state
