"""The check `context` is asked beside the others, and says nothing but whether a target takes long requests."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.detection.detector import Detector
from monitor.detection.notices import CHECK_FAILING, NoticeFilter
from monitor.detection.pacing import context_due
from monitor.detection.target_state import from_json, to_json
from monitor.health import Health
from probes.context_check import CONTEXT, ContextCheck
from probes.observation import Observation
from tests.support.builders import T0, observation, settings, target

A, B = "openai/a", "anthropic/b"


def of_context(symbol: str, *, at_s: float) -> Observation:
    """What a probe with the check `context` saw of the first target."""
    return replace(observation(symbol, name=A, at_s=at_s), check=CONTEXT)


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    """Both targets are up."""
    made = Detector(settings(tmp_path, A, B), T0)
    for name, place in ((A, 0), (B, 1), (A, 30), (B, 31)):
        made.observe(observation(name=name, at_s=place))
    return made


@pytest.mark.parametrize("symbol", ["x", "B", "q", "w", "r", "t"])
def test_failures_are_no_evidence_and_are_told_after_three(detector: Detector, symbol: str) -> None:
    """However they end; what is told is told once, survives a restart, and is over with the first good answer."""
    notices, texts = NoticeFilter(), list[str]()
    known = replace(detector.health[A])
    for number in range(4):
        failed = of_context(symbol, at_s=40 + number)
        assert detector.observe(failed) == ()
        assert detector.burst_probes(A) == ()
        assert bool(detector.health[A].failing_context) == (number >= 2)
        due = notices.due_of_checks(failed, detector.state_of(A), T0)
        texts += [notice.text for notice in due if notice.kind == CHECK_FAILING]
    [text] = texts
    assert text == f"{A}: the check context has failed 3 times in a row ({failed.outcome}), the others are well"
    state = detector.state_of(A)
    assert from_json(to_json(state)) == state
    assert replace(detector.health[A], failing_context=None) == known
    detector.observe(of_context(".", at_s=50))
    assert detector.health[A] == known
    assert not detector.state_of(A).context


def test_what_our_own_network_did_does_not_count(detector: Detector) -> None:
    """Nor what failed on this machine."""
    for number in range(5):
        detector.observe(of_context("t", at_s=40 + number), blind=True)
        detector.observe(of_context("b", at_s=40.5 + number))
    assert detector.state_of(A).context is None
    assert detector.health[A].health is Health.UP


def test_it_is_asked_at_times_of_the_day_that_no_restart_shifts() -> None:
    """Each target once in its time, not all at once; those without the check never."""
    names = ("openai/a", "openai/b", "anthropic/c")
    targets = [replace(target(name), context_check=ContextCheck(tokens=9, every_s=3600.0)) for name in names]
    due = context_due([*targets, target("own/d")], T0)
    assert list(due) == [*names]
    assert all(T0 <= at < T0 + timedelta(hours=1) for at in due.values())
    assert {(at.minute * 60 + at.second) % 1200 for at in due.values()} == {0}
    assert len(set(due.values())) == 3
    later = context_due(targets, T0 + timedelta(minutes=59, seconds=7))
    for name, at in due.items():
        assert (later[name] - at).total_seconds() % 3600 == 0
