"""The scenarios: what happens to whom, and when. One list for everybody's rule, in the simulator's own terms."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from controller.simulation.scenario import AFTERMATH_S, BlipStream, Flap, Outage, QuietBehaviour, Scenario
from monitor.config.route import Route
from monitor.config.settings import Settings
from probes.outcome import Outcome
from probes.target import Provider, Secret, Target

INTERVAL_S = 30.0
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
QUARTER_S = 90 * DAY_S
BACKGROUND = 0.005
#: Until the trouble begins; then everybody has found its feet.
LEAD_S = 2 * HOUR_S
#: Between these a background breathes, in steps of so long.
LOWEST, _HIGHEST = 0.002, 0.04
_STEP_S = 30 * MINUTE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One world to live through."""

    name: str
    says: str
    """What happens, as a row of a table has it."""
    models: int
    """How many targets the provider in trouble has; each has a route that prefers it."""
    scenario: Scenario
    troubles: tuple[Outage, ...]
    """The outages that are not the background."""
    begin_s: float
    end_s: float

    def seeded(self, seed: int) -> "Case":
        """The case with its trouble up to one interval later, so that no rule's phase is favoured."""
        shift_s = Random(f"onset {seed}").uniform(0, INTERVAL_S)
        late = {trouble: replace(trouble, at_s=trouble.at_s + shift_s) for trouble in self.troubles}
        return replace(
            self,
            scenario=replace(self.scenario, outages=tuple(late.get(each, each) for each in self.scenario.outages)),
            troubles=tuple(late.values()),
            begin_s=self.begin_s + (shift_s if late else 0),
            end_s=self.end_s + (shift_s if late else 0),
        )

    def touched(self, target: str) -> bool:
        """Whether the trouble is this target's."""
        return any(target in trouble.targets for trouble in self.troubles)


def settings(*, models: int, providers: int = 2) -> Settings:
    """A provider `a` with the models that routes prefer, and others with one model each to stand by."""
    names = {"a": models} | dict.fromkeys("bcd"[: providers - 1], 1)
    targets = tuple(
        Target(provider=_provider(name), model=f"m{number}", interval_s=INTERVAL_S)
        for name, count in names.items()
        for number in range(1, count + 1)
    )
    standbys = tuple(target.id for target in targets[models:])
    routes = tuple(Route(name=f"r{n}", candidates=(f"a/m{n}", *standbys)) for n in range(1, models + 1))
    return Settings(path=Path("benchmark.yaml"), targets=targets, routes=routes)


def _provider(name: str) -> Provider:
    return Provider(name=name, dialect="openai-chat", base_url="https://example.invalid/v1", api_key=Secret(""))


def outage(rate: float, *, models: int, background: float = BACKGROUND, lead_s: float = LEAD_S) -> Case:
    """Provider `a` fails at one rate for an hour."""
    return case(
        f"outage-{rate:.0%}",
        f"{rate:.0%} of requests fail for an hour",
        models=models,
        background=background,
        outages=[trouble("a/*", rate, at_s=lead_s)],
    )


def quiet(*, models: int, blips: bool, background: float = BACKGROUND, days: float = 90) -> Case:
    """Nothing but the background, and blips where they are asked for."""
    return case(
        "blips" if blips else "clean",
        "a quarter with five blips a day of 3 to 8 s" if blips else "a clean quarter",
        models=models,
        background=background,
        outages=[],
        blips=BlipStream() if blips else None,
        duration_s=days * DAY_S,
    )


def troubles() -> tuple[Case, ...]:
    """What is worse than a plain outage to tell from it."""
    slow = trouble("a/*", 0.0)
    own = trouble("*", 1.0, for_s=10 * MINUTE_S)
    return (
        *(
            case("ramp", "rising from 0 to 50 % in 40 min, an hour in all", models=models, outages=[_ramp()])
            for models in (1, 4)
        ),
        *(
            case("flapping", "3 min at 100 %, 7 min fine, for an hour", models=models, outages=[_flap()])
            for models in (1, 4)
        ),
        case("sick-model", "one model of four at 50 % for an hour", models=4, outages=[trouble("a/m1", 0.5)]),
        *(
            case("slow", "answers take 20 times as long for an hour", models=models, outages=[_slowed(slow)])
            for models in (1, 4)
        ),
        case(
            "two-providers",
            "the first standby's provider too, both at 50 % for an hour",
            models=1,
            providers=3,
            outages=[trouble("a/*", 0.5), trouble("b/*", 0.5)],
        ),
        *(
            case("own-network", "our own network is down for 10 min", models=models, outages=[_ours(own)])
            for models in (1, 4)
        ),
    )


def trouble(targets: str, rate: float, *, at_s: float = LEAD_S, for_s: float = HOUR_S) -> Outage:
    """Which targets it hits is filled in by `case`."""
    return Outage(at_s=at_s, for_s=for_s, written=targets, targets=frozenset(), failure_rate=rate)


def _ramp() -> Outage:
    return replace(trouble("a/*", 0.5), ramp_s=40 * MINUTE_S)


def _flap() -> Outage:
    return replace(trouble("a/*", 1.0), flap=Flap(down_s=3 * MINUTE_S, up_s=7 * MINUTE_S))


def _slowed(trouble: Outage) -> Outage:
    return replace(trouble, latency_factor=20.0)


def _ours(trouble: Outage) -> Outage:
    return replace(trouble, outcome=Outcome.UNREACHABLE, own_network=True)


def breath(target: str, peak_h: float, *, days: int = 1, besides: Iterable[Outage] = ()) -> Iterator[Outage]:
    """What a target fails more often than at its best, from 0.2 to 4 % over the day, in steps of half an hour.

    Not while it is in trouble otherwise: the simulator takes one outage of a target at a time.
    """
    taken = [outage for outage in besides if target in outage.targets]
    for number in range(int(days * DAY_S / _STEP_S)):
        begin_s = number * _STEP_S
        if any(outage.at_s < begin_s + _STEP_S and begin_s < outage.until_s for outage in taken):
            continue
        share = (1 + math.cos(2 * math.pi * (begin_s + _STEP_S / 2 - peak_h * HOUR_S) / DAY_S)) / 2
        rate = LOWEST + share * (_HIGHEST - LOWEST)
        more = 1 - (1 - rate) / (1 - LOWEST)
        yield replace(trouble(target, more, at_s=begin_s, for_s=_STEP_S), targets=frozenset({target}))


def case(
    name: str,
    says: str,
    *,
    models: int,
    outages: Iterable[Outage],
    providers: int = 2,
    background: float = BACKGROUND,
    breaths: Iterable[Outage] = (),
    blips: BlipStream | None = None,
    duration_s: float | None = None,
) -> Case:
    """A case that lasts until half an hour after its troubles, or as long as is said; `breaths` are no trouble."""
    configuration = settings(models=models, providers=providers)
    hit = tuple(replace(outage, targets=_named(configuration, outage.written)) for outage in outages)
    begin_s = min((outage.at_s for outage in hit), default=0.0)
    end_s = max((outage.until_s for outage in hit), default=duration_s or 0.0)
    scenario = Scenario(
        path=Path(f"{name}.yaml"),
        settings=configuration,
        duration_s=duration_s if duration_s is not None else end_s + AFTERMATH_S + INTERVAL_S,
        background=QuietBehaviour(failure_rate=background),
        blips=blips,
        outages=(*hit, *breaths),
    )
    return Case(name=name, says=says, models=models, scenario=scenario, troubles=hit, begin_s=begin_s, end_s=end_s)


def _named(configuration: Settings, pattern: str) -> frozenset[str]:
    ids = {target.id for target in configuration.targets}
    return frozenset(ids if pattern == "*" else {i for i in ids if i == pattern or i.startswith(pattern.rstrip("*"))})
