"""The standby that a route would go to is probed at the first failure of its target."""

from datetime import timedelta
from pathlib import Path

import pytest

from controller.routing.decision import Decision
from controller.routing.overrides import Override, OverrideKind, Overrides
from controller.routing.refuge import begin_to_fail, refuge_probes
from controller.simulation.loop import EPOCH, run_seed
from controller.simulation.scenario import QuietBehaviour
from controller.simulation.world import build_timelines
from monitor.config.route import Route
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe
from monitor.health import Health, TargetHealth, Transition
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.builders import T0, observation, settings
from tests.support.worlds import outage, scenario

A, B, C = NAMES = ("openai/a", "anthropic/b", "gemini/c")
SUSPECT = Transition(target=A, at=T0, before=Health.UP, after=Health.SUSPECT, reason="")


def known(name: str, health: Health = Health.UP, *, ok_age_s: float = 20.0) -> TargetHealth:
    """Probed every 30 s."""
    return TargetHealth(target=name, health=health, since=T0, reason="", last_ok_at=T0 - timedelta(seconds=ok_age_s))


def asked(
    *standbys: TargetHealth,
    moved: Transition = SUSPECT,
    at: str = A,
    drained: str | None = None,
    planned: tuple[BurstProbe, ...] = (),
) -> list[tuple[str, ...]]:
    """The targets of the probes wanted for two routes that stand on the same target."""
    routes = [Route(name=name, candidates=NAMES) for name in ("chat", "batch")]
    made = settings(Path("/nowhere"), *NAMES, routes=routes)
    states = {name: Decision(route=name, target=at, at=T0, reason="") for name in ("chat", "batch")}
    health = {state.target: state for state in (known(A, moved.after), *standbys)}
    until = T0 + timedelta(hours=1)
    drain = Override(kind=OverrideKind.DRAIN, subject=drained or "", at=T0, until=until, author="x", reason="y")
    overrides = Overrides(active=(drain,) if drained else ())
    failing = begin_to_fail((), [moved], Detector(made, T0))
    probes = refuge_probes(made, states, health, failing, planned=planned, now=T0, overrides=overrides)
    assert all(probe.delay_s == 0 and not probe.afresh for probe in probes)
    return [probe.targets for probe in probes]


def test_the_standby_that_the_policy_would_choose_is_probed_once() -> None:
    """However many routes want it."""
    assert asked(known(B), known(C)) == [(B,)]
    assert asked(known(B), known(C), drained=B) == [(C,)]
    assert asked(known(B, Health.DOWN), known(C)) == [(C,)]


@pytest.mark.parametrize(
    ("standby", "why"),
    [
        (known(B, ok_age_s=14), "its last answer is proof enough"),
        (known(B, Health.SUSPECT), "what is known against it has its own probes"),
        (known(B, Health.DOWN), "it is no refuge"),
    ],
)
def test_no_probe_is_spent_without_use(standby: TargetHealth, why: str) -> None:
    """Probes cost money."""
    assert asked(standby, known(C, Health.DOWN)) == [], why


def test_where_nobody_is_known_to_be_well_the_unknown_are_asked() -> None:
    """A route whose standby is probed once an hour must not be stuck until then; what is drained is no standby."""
    unknown, long_ago = known(B, Health.UNKNOWN, ok_age_s=9000), known(C, ok_age_s=9000)
    assert asked(unknown, long_ago) == [(B,), (C,)]
    assert asked(unknown, long_ago, drained=B) == [(C,)]
    assert asked(unknown, known(C)) == [(C,)], "one that is well is enough"
    down = Transition(target=A, at=T0, before=Health.SUSPECT, after=Health.DOWN, reason="")
    assert asked(unknown, known(C, Health.DOWN), moved=down) == [(B,)]


def test_none_that_is_asked_at_once_anyway() -> None:
    """A test on fresh evidence asks siblings that may be the standby; a burst comes too late."""
    afresh, burst = (BurstProbe(slot="x", targets=(B,), delay_s=delay_s) for delay_s in (0.0, 5.0))
    assert asked(known(B), known(C), planned=(burst, afresh)) == []
    assert asked(known(B), known(C), planned=(burst,)) == [(B,)]


def test_only_where_a_route_is() -> None:
    """A standby that fails harms nobody, and a target that is well again needs no refuge."""
    assert asked(known(B), known(C), at=B) == []
    up = Transition(target=A, at=T0, before=Health.SUSPECT, after=Health.UP, reason="")
    assert asked(known(B), known(C), moved=up) == []


@pytest.mark.parametrize("before", ["", ".", ".s", ".wwwww"])
def test_the_first_failure_counts_whatever_the_health_was(before: str) -> None:
    """Also of a target that is unknown, suspect or degraded for other reasons; the second one adds nothing."""
    detector = Detector(settings(Path("/nowhere"), A, B), T0)
    begun = []
    for number, letter in enumerate(f"{before}xx"):
        seen = observation(letter, at_s=number * 30.0, name=A)
        begun.append(begin_to_fail((seen,), detector.observe(seen), detector))
    assert begun[-2:] == [{A}, set()]
    unknown = observation("x", at_s=900.0, name="openai/other")
    assert not begin_to_fail((unknown,), detector.observe(unknown), detector)


def test_the_simulation_asks_as_the_service_does() -> None:
    """Beside its schedule the standby is asked when the first probe has failed, and its schedule goes on."""
    happens = outage(600, 300, targets=(A,), failure_rate=1.0)
    world = scenario(happens, hours=0.25, names=(A, B), background=QuietBehaviour(failure_rate=0.0))
    seen: list[Observation] = []
    run_seed(world, build_timelines(world, 1), 1, seen.append)
    failed = next(each for each in seen if each.target == A and each.outcome is not Outcome.OK)
    of_standby = [each.started_at for each in seen if each.target == B]
    [beside] = [at for at in of_standby if abs((at - failed.finished_at).total_seconds()) < 0.001]
    scheduled = [(at - EPOCH).total_seconds() for at in of_standby if at != beside]
    assert scheduled == [15.0 + 30 * number for number in range(30)]
