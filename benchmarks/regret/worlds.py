"""The worlds: several candidates fail at once, standbys die, providers flap, throttle, hang and breathe."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from benchmarks.detection.scenarios import BACKGROUND, HOUR_S, INTERVAL_S, LOWEST, MINUTE_S, breath, settings
from controller.simulation.scenario import AFTERMATH_S, BlipStream, Flap, Outage, QuietBehaviour, Scenario
from probes.outcome import Outcome

#: Requests a second and route.
REQUESTS_PER_S = 10.0

_THROTTLED, _TIMEOUT = Outcome.RATE_LIMITED, Outcome.TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One world, which every rule lives through from the same seeds."""

    name: str
    says: str
    """What happens, as a row of the table has it."""
    scenario: Scenario
    troubles: tuple[Outage, ...]
    """The outages that are not the background."""
    breathing: bool = False
    """Whether the background rises from 0.2 to 4 % and falls again over the day, a's at noon, b's six hours later."""
    partly: bool = False
    """Whether three candidates fail partly at once."""
    shifted: bool = True
    """Whether its troubles begin somewhat later from seed to seed."""

    def seeded(self, seed: int) -> "World":
        """The world with its troubles up to one interval later, so that no rule's phase is favoured."""
        if not self.shifted:
            return self
        shift_s = Random(f"onset {seed}").uniform(0, INTERVAL_S)
        late = {outage: replace(outage, at_s=outage.at_s + shift_s) for outage in self.scenario.outages}
        return replace(
            self,
            scenario=replace(self.scenario, outages=tuple(late.values())),
            troubles=tuple(late[outage] for outage in self.troubles),
        )


def worlds() -> tuple[World, ...]:
    """All of them, in the order of the table."""
    return (*_plain(), *_several(), *_standbys(), *_shapes(), *_kinds(), *_siblings(), *_breathing())


def _plain() -> Iterator[World]:
    for percent, hours in ((100, 1.0), (50, 1.0), (20, 2.0)):
        yield _world(f"plain-{percent}", f"a fails {percent} %", [_outage("a/m1", percent, 60, hours * 60)])


def _several() -> Iterator[World]:
    yield _world(
        "lesser-evil",
        "b fails 25 % for 2 h, a 100 % for 50 min of it",
        [_outage("b/m1", 25, 60, 120), _outage("a/m1", 100, 95, 50)],
    )
    yield _world(
        "worse-standby",
        "a fails 40 % for 2 h, b 100 % for 1 h of it",
        [_outage("a/m1", 40, 60, 120), _outage("b/m1", 100, 90, 60)],
    )
    yield _world("both-at-once", "a 60 %, b 20 %", [_outage("a/m1", 60, 60, 90), _outage("b/m1", 20, 60, 90)])
    yield _world("equals", "a and b 40 %", [_outage("a/m1", 40, 60, 90), _outage("b/m1", 40, 60, 90)])
    yield _world(
        "three-partly",
        "a 50 %, b 30 %, c 12 %, one after the other",
        [_outage("a/m1", 50, 60, 120), _outage("b/m1", 30, 70, 100), _outage("c/m1", 12, 80, 80)],
        providers=3,
        partly=True,
    )
    yield _world(
        "three-at-once",
        "a 60 %, b 40 %, c 20 %",
        [_outage("a/m1", 60, 60, 90), _outage("b/m1", 40, 60, 90), _outage("c/m1", 20, 60, 90)],
        providers=3,
        partly=True,
    )
    yield _world(
        "third-is-well",
        "a and b 50 %, c is well",
        [_outage("a/m1", 50, 60, 60), _outage("b/m1", 50, 60, 60)],
        providers=3,
    )


def _standbys() -> Iterator[World]:
    yield _world(
        "standby-dies",
        "a 100 %; b too after 20 min, for 40; c is well",
        [_outage("a/m1", 100, 60, 120), _outage("b/m1", 100, 80, 40)],
        providers=3,
    )
    yield _world(
        "dies-in-hold",
        "a 100 % for 1 h; b 100 % when a is well since 2 min",
        [_outage("a/m1", 100, 60, 60), _outage("b/m1", 100, 122, 40)],
    )
    yield _world(
        "doubled-hold",
        "a down five times for 5 min, then b 100 %",
        [*(_outage("a/m1", 100, 60 + 20 * turn, 5) for turn in range(5)), _outage("b/m1", 100, 147, 60)],
    )
    yield _world(
        "standby-in-hold",
        "b 100 % for 20 min, a 50 % when b is well since 3 min",
        [_outage("b/m1", 100, 60, 20), _outage("a/m1", 50, 83, 60)],
    )
    yield _world(
        "sick-from-the-start",
        "b fails 50 % from the start, a 100 % from minute 10 on",
        [_outage("b/m1", 50, 0, 60), _outage("a/m1", 100, 10, 30)],
    )


def _shapes() -> Iterator[World]:
    for name, says, percent, down_min, up_min in (
        ("flap-slow", "3 min at 100 %, 7 min well, for 2 h", 100, 3, 7),
        ("flap-fast", "1 min at 100 %, 1 min well, for 1 h", 100, 1, 1),
        ("flap-partly", "10 min at 50 %, 10 min well, for 2 h", 50, 10, 10),
    ):
        flap = Flap(down_s=down_min * MINUTE_S, up_s=up_min * MINUTE_S)
        minutes = 60 if name == "flap-fast" else 120
        yield _world(name, says, [replace(_outage("a/m1", percent, 60, minutes), flap=flap)])
    yield _world("ramp", "a from 0 to 60 % in an hour of two", [replace(_outage("a/m1", 60, 60, 120), ramp_s=HOUR_S)])
    yield _world(
        "ramp-to-worse",
        "a from 0 to 100 % in an hour of two, b 15 %",
        [replace(_outage("a/m1", 100, 60, 120), ramp_s=HOUR_S), _outage("b/m1", 15, 60, 120)],
    )


def _kinds() -> Iterator[World]:
    for percent, minutes in ((100, 60), (70, 60), (30, 120)):
        throttled = _outage("a/m1", percent, 60, minutes, _THROTTLED)
        yield _world(f"throttled-{percent}", f"a throttles {percent} %", [throttled])
    told = replace(_outage("a/m1", 100, 60, 60, _THROTTLED), retry_after_s=20.0)
    yield _world("throttled-told", "a throttles 100 %, Retry-After 20 s", [told])
    yield _world("wrong-60", "a answers wrongly, 60 %", [_outage("a/m1", 60, 60, 60, Outcome.BAD_ANSWER)])
    for percent in (100, 50):
        hanging = _outage("a/m1", percent, 60, 60, _TIMEOUT)
        yield _world(f"timeouts-{percent}", f"a does not answer, {percent} %", [hanging])


def _siblings() -> Iterator[World]:
    for percent in (100, 40):
        sick = [_outage(f"a/m{number}", percent, 60, 60) for number in (1, 3, 5)]
        yield _world(f"three-of-six-{percent}", f"three of six models of a at {percent} %", sick, models=6)


def _breathing() -> Iterator[World]:
    for name, says, troubles in (
        ("breath", "the background alone", []),
        ("breath-50", "and a 50 % at noon", [_outage("a/m1", 50, 720, 60)]),
        ("breath-20", "and a 20 % in the morning", [_outage("a/m1", 20, 480, 120)]),
        (
            "breath-both",
            "and a 60 %, b 25 % in the evening",
            [_outage("a/m1", 60, 960, 90), _outage("b/m1", 25, 960, 90)],
        ),
        ("breath-throttled", "and a throttles 60 % at noon", [_outage("a/m1", 60, 720, 60, _THROTTLED)]),
    ):
        breaths = [*breath("a/m1", 12, besides=troubles), *breath("b/m1", 18, besides=troubles)]
        yield _world(name, f"0.2 to 4 % over the day, {says}", troubles, background=LOWEST, breaths=breaths)


def _outage(
    target: str, percent: float, at_min: float, for_min: float, outcome: Outcome = Outcome.SERVER_ERROR
) -> Outage:
    return Outage(
        at_s=at_min * MINUTE_S,
        for_s=for_min * MINUTE_S,
        written=target,
        targets=frozenset({target}),
        failure_rate=percent / 100,
        outcome=outcome,
    )


def _world(
    name: str,
    says: str,
    troubles: list[Outage],
    *,
    models: int = 1,
    providers: int = 2,
    background: float = BACKGROUND,
    breaths: list[Outage] | None = None,
    partly: bool = False,
) -> World:
    outages = (*troubles, *(breaths or ()))
    until_s = max(outage.until_s for outage in outages)
    scenario = Scenario(
        path=Path(f"{name}.yaml"),
        settings=settings(models=models, providers=providers),
        duration_s=until_s + INTERVAL_S + (0 if breaths else 2 * AFTERMATH_S),
        background=QuietBehaviour(failure_rate=background),
        blips=BlipStream(),
        outages=outages,
        requests_per_s=REQUESTS_PER_S,
    )
    return World(
        name=name, says=says, scenario=scenario, troubles=tuple(troubles), breathing=breaths is not None, partly=partly
    )
