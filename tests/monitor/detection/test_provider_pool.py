"""The evidence against a whole provider: what it is made of, and that it stands without any one target."""

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detection import provider_pool
from monitor.detection.parameters import ProviderParameters
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE, ProviderEvidence
from probes.outcome import Effect, Outcome
from tests.support.builders import T0, observation, provider_parameters, settings

A, B, C = NAMES = ("openai/a", "openai/b", "openai/c")
USUAL = dict.fromkeys(NAMES, 0.005)
#: When a probe started, in seconds; whom it asked; how it ended.
Event = tuple[float, str, str]


def by(*names: str) -> ProviderParameters:
    """The rule of a provider with these targets, in which failures within a second are one piece of evidence."""
    return replace(provider_parameters(settings(Path("/nowhere"), *(names or NAMES))), same_s=1.0)


def weigh(events: Iterable[Event], known: ProviderEvidence = NO_PROVIDER_EVIDENCE) -> ProviderEvidence:
    """The pool after these probes."""
    for at_s, name, symbol in events:
        seen = observation(symbol, at_s=at_s, name=name)
        if seen.outcome.effect is Effect.DOWN:
            known = provider_pool.add_failure(known, seen, by(), USUAL)
        else:
            known = provider_pool.add_success(known, seen, by())
    return known


@st.composite
def streams(draw: st.DrawFn, *, failing: str = "ABC") -> list[Event]:
    """Probes of three targets, of which these may fail, half a second to a minute apart."""
    events, at_s = [], 0.0
    for _ in range(draw(st.integers(0, 40))):
        name = draw(st.sampled_from(NAMES))
        may_fail = name[-1].upper() in failing
        events.append((at_s, name, draw(st.sampled_from("xt..")) if may_fail else "."))
        at_s += draw(st.floats(0.5, 60))
    return events


def test_the_probes_of_all_targets_are_one_stream() -> None:
    """A failure adds log(p1/p0) whoever failed, a good answer of anybody takes its share away."""
    known = weigh([(0, A, "x"), (5, B, "x"), (10, C, ".")])
    p1 = by().p1
    up, down = math.log(p1 / known.p0), math.log((1 - known.p0) / (1 - p1))
    assert known.evidence.value == pytest.approx(2 * up - down)
    assert known.without == pytest.approx({A: up - down, B: up - down, C: 2 * up})
    assert known.failures == {A: 1, B: 1}
    assert [(one.target, one.outcome) for one in known.evidence.trail] == [
        (A, Outcome.SERVER_ERROR),
        (B, Outcome.SERVER_ERROR),
        (C, Outcome.OK),
    ]


def test_its_background_is_that_of_its_targets() -> None:
    """The mean of those that are in it, as often as each is asked."""
    noisy = {A: 0.05, B: 0.002, C: 0.002}
    known = provider_pool.add_failure(NO_PROVIDER_EVIDENCE, observation("x", name=B), by(), noisy)
    assert known.p0 == pytest.approx(sum(noisy.values()) / 3, rel=0.13)
    alone = provider_pool.add_failure(NO_PROVIDER_EVIDENCE, observation("x", name=B), by(), {B: 0.002, C: 0.002})
    assert alone.p0 == pytest.approx(0.002)
    assert alone.threshold == by().threshold(alone.p0, 15.0)


def test_it_convinces_at_the_threshold_with_half_of_it_without_anyone() -> None:
    """Failures of two targets suffice when they are many enough; of one never, however many they are."""
    needed = weigh([(0, A, "x")]).threshold
    for shares, expected in (((1, 1), None), ((20, 0), False), ((20, 1), False), ((20, 2), True), ((10, 10), True)):
        events = [(n * 5.0, name, "x") for n, name in enumerate([A] * shares[0] + [B] * shares[1])]
        known = weigh(events)
        assert provider_pool.is_conclusive(known, by()) == (
            known.evidence.value >= needed and min(known.without.values()) >= needed / 2
        )
        assert expected is None or provider_pool.is_conclusive(known, by()) is expected


@pytest.mark.slow
@given(streams(failing="A"))
def test_one_sick_target_never_convinces(events: list[Event]) -> None:
    """Whatever one target does, while the others answer: nothing is held against them without it."""
    known = NO_PROVIDER_EVIDENCE
    for event in events:
        known = weigh([event], known)
        assert not provider_pool.is_conclusive(known, by())
        assert known.without.get(A, 0.0) == 0.0


@pytest.mark.parametrize("targets", range(2, 13))
def test_a_sick_third_never_convinces(targets: int) -> None:
    """However often a third of the targets fails: only what the others show makes a verdict on the provider."""
    names = [f"openai/m{n}" for n in range(targets)]
    rules, usual = by(*names), dict.fromkeys(names, 0.005)
    sick, well = names[: round(targets / 3)], names[round(targets / 3) :]
    pool = NO_PROVIDER_EVIDENCE
    for n in range(40):
        pool = provider_pool.add_failure(pool, observation("x", at_s=n * 5, name=sick[n % len(sick)]), rules, usual)
        assert not provider_pool.is_conclusive(pool, rules)
    assert pool.evidence.value > 2 * pool.threshold
    for n in range(40, 45):
        pool = provider_pool.add_failure(pool, observation("x", at_s=n * 5, name=well[n % len(well)]), rules, usual)
    assert provider_pool.is_conclusive(pool, rules)


@pytest.mark.slow
@given(streams())
def test_without_one_is_what_the_others_show(events: list[Event]) -> None:
    """Each of the values left without one is the evidence of the other targets' probes since the excursion began."""
    known, began = NO_PROVIDER_EVIDENCE, 0
    for number, event in enumerate(events):
        known = weigh([event], known)
        if not known.evidence.value:
            began = number + 1
    p1 = by().p1
    for name, left in known.without.items():
        value, failed_at = 0.0, -math.inf
        for at_s, asked, symbol in events[began:]:
            failed = symbol in "xt"
            counts = at_s - failed_at >= by().same_s - 1e-6
            failed_at = at_s if failed and counts else failed_at
            if asked != name and counts:
                step = math.log(p1 / known.p0) if failed else -math.log((1 - known.p0) / (1 - p1))
                value = max(0.0, value + step)
        assert left == pytest.approx(value, abs=1e-6)


def test_failures_close_together_are_one_piece_of_evidence() -> None:
    """Those that come too soon after one that was weighed are counted against their targets, and weigh nothing."""
    near_s = by().same_s
    once = weigh([(0, A, "x")])
    twice = weigh([(near_s * 0.9, B, "x")], once)
    assert twice.evidence == once.evidence
    assert twice.failures == {A: 1, B: 1}
    assert twice.without == once.without
    assert weigh([(near_s, B, "x")], once).evidence.value > once.evidence.value
    again = weigh([(near_s * 1.5, B, "x")], twice)
    assert again.evidence.failures == 2, "counted from the last one that was weighed"


def test_only_where_probes_are_dense_failures_are_close_together() -> None:
    """Among few targets each failure counts; among many, two within a moment are hardly more than one."""
    few, many = (provider_parameters(settings(Path("/nowhere"), *(f"openai/m{n}" for n in range(k)))) for k in (4, 50))
    assert few.same_s == 0.0
    assert many.same_s > 30 / 50


def test_a_failure_by_a_clock_set_back_is_weighed() -> None:
    """An instant before the last failure is not close after it."""
    assert weigh([(0, A, "x"), (-3, B, "x")]).evidence.failures == 2


def test_who_joined_later_is_not_in_it() -> None:
    """A target that was not there when the excursion began could not be left out again."""
    known = provider_pool.add_failure(NO_PROVIDER_EVIDENCE, observation("x", name=A), by(), {A: 0.005, B: 0.005})
    for symbol in "xx":
        assert provider_pool.add_failure(known, observation(symbol, at_s=9, name=C), by(), USUAL) is known
    assert provider_pool.add_success(known, observation(".", at_s=9, name=C), by()) is known


def test_alone_it_has_no_threshold() -> None:
    """The only target of a provider that is not bad by its own evidence is judged by its own evidence."""
    known = NO_PROVIDER_EVIDENCE
    for number in range(40):
        known = provider_pool.add_failure(known, observation("x", at_s=number * 5, name=A), by(), {A: 0.005})
        assert not provider_pool.is_conclusive(known, by())


def test_who_is_bad_on_its_own_is_left_out() -> None:
    """What remains is what the others have shown, with their counts; nobody in it is counted who is not."""
    known = weigh([(0, A, "x"), (5, B, "x"), (10, A, "x"), (15, A, "x"), (20, C, "x")])
    left = provider_pool.remove_target(known, A)
    assert left.evidence.value == known.without[A]
    assert (left.evidence.failures, left.evidence.probes, dict(left.failures)) == (2, 2, {B: 1, C: 1})
    assert left.evidence.since == T0 + timedelta(seconds=5.1)
    assert left.without.keys() == {B, C}
    assert all(value <= left.evidence.value for value in left.without.values())
    assert provider_pool.remove_target(left, A) is left


def test_nothing_is_left_without_the_one_that_failed() -> None:
    """Nor when fewer than two targets remain."""
    assert provider_pool.remove_target(weigh([(0, A, "x"), (5, A, "x")]), A) == NO_PROVIDER_EVIDENCE
    two = provider_pool.remove_target(weigh([(0, A, "x"), (5, B, "x"), (10, C, "x")]), A)
    assert provider_pool.remove_target(two, B) == NO_PROVIDER_EVIDENCE


@pytest.mark.slow
@given(streams(), st.sampled_from(NAMES))
def test_leaving_one_out_never_convinces_for_its_sake(events: list[Event], name: str) -> None:
    """What is left is never more than what the others have shown."""
    known = weigh(events)
    left = provider_pool.remove_target(known, name)
    assert left.evidence.value in (0.0, known.without.get(name, 0.0), known.evidence.value)
    assert name not in left.without
    assert name not in left.failures
    assert all(weighed.target != name for weighed in left.evidence.trail)


def test_it_is_stale_after_a_silence_or_when_the_clock_was_set() -> None:
    """Counted from the last probe that was weighed, good or not; a new one is never stale."""
    known = weigh([(0, A, "x"), (10, B, ".")])
    for at_s, stale in ((10.1, False), (130.1, False), (130.2, True), (-109.8, False), (-110, True)):
        assert provider_pool.is_stale(known, T0 + timedelta(seconds=at_s), 120) is stale
    assert not provider_pool.is_stale(NO_PROVIDER_EVIDENCE, T0, 0)


def test_the_most_telling_are_asked_first() -> None:
    """Those that have failed least and were heard longest ago; every third time the one that may be sick alone."""
    heard = {A: T0 + timedelta(seconds=5), B: T0, C: T0 + timedelta(seconds=2)}
    one = weigh([(0, A, "x")])
    assert provider_pool.burst_order(one, heard, A) == (B, C, A)
    third = weigh([(0, A, "x"), (5, A, "x"), (10, B, ".")])
    assert provider_pool.burst_order(third, heard, A) == (A, B, C)
    several = weigh([(0, A, "x"), (5, B, "x"), (10, A, "x")])
    assert provider_pool.burst_order(several, heard, A) == (C, B, A), "several have failed: nobody is sick alone"
    assert provider_pool.burst_order(third, {B: T0}, A) == (B,), "whoever may not be asked is not"


@pytest.mark.slow
@given(streams(), streams())
def test_it_survives_a_restart_in_the_middle(before: list[Event], after: list[Event]) -> None:
    """Through JSON nothing is lost: it goes on as if nothing had happened."""
    known = weigh(before)
    again = provider_pool.from_json(provider_pool.to_json(known))
    assert again == known
    shifted = [(at_s + 3000, name, symbol) for at_s, name, symbol in after]
    assert weigh(shifted, again) == weigh(shifted, known)


@pytest.mark.parametrize("text", ["", "null", "[]", '{"evidence": 1}', "\x00", '{"without": {"a": "much"}}'])
def test_what_is_no_pool_is_a_new_one(text: str) -> None:
    """A foreign or broken value is no error."""
    assert provider_pool.from_json(text) == NO_PROVIDER_EVIDENCE


@pytest.mark.slow
def test_a_provider_with_hundreds_of_targets_is_no_slower_to_judge() -> None:
    """What comes within the same piece of time as a failure says nothing more, whether it failed or not."""
    names = [f"openai/m{n}" for n in range(300)]
    rules = provider_parameters(settings(Path(), *names))
    background = dict.fromkeys(names, 0.005)
    held = provider_pool.add_failure(
        provider_pool.NO_PROVIDER_EVIDENCE, observation("x", name=names[0], at_s=0), rules, background
    )
    for number in range(1, 4):
        held = provider_pool.add_success(held, observation(".", name=names[number], at_s=0.1 * number), rules)
    assert held.evidence.failures == held.evidence.probes == 1
    held = provider_pool.add_success(held, observation(".", name=names[5], at_s=2), rules)
    assert held.evidence.probes == 2


def test_a_target_that_is_probed_often_brings_no_more_probes_into_one_blip() -> None:
    """A burst of the provider has the pace of its slowest target: a sentinel at 5 s alone would ask every 1.25 s."""
    usual = settings(Path("/nowhere"), *NAMES)
    targets = tuple(replace(each, interval_s=5.0 if each.id == A else 45.0) for each in usual.targets)
    mixed = provider_parameters(replace(usual, targets=targets))
    assert (mixed.failed_s, mixed.passed_s) == (4.0, 0.5) == (by().failed_s, by().passed_s)
