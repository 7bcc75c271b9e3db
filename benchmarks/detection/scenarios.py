"""The scenarios: what happens to whom, and when. One list for everybody's rule, in the simulator's own terms."""

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One world to live through."""

    name: str
    says: str
    """What happens, as a row of a table has it."""
    models: int
    """How many targets the provider in trouble has; each has a route that prefers it."""
    scenario: Scenario
    begin_s: float
    end_s: float

    def seeded(self, seed: int) -> "Case":
        """The case with its trouble up to one interval later, so that no rule's phase is favoured."""
        shift_s = Random(f"onset {seed}").uniform(0, INTERVAL_S)
        outages = tuple(replace(outage, at_s=outage.at_s + shift_s) for outage in self.scenario.outages)
        return replace(
            self,
            scenario=replace(self.scenario, outages=outages),
            begin_s=self.begin_s + (shift_s if outages else 0),
            end_s=self.end_s + (shift_s if outages else 0),
        )

    def touched(self, target: str) -> bool:
        """Whether the trouble is this target's."""
        return any(target in outage.targets for outage in self.scenario.outages)


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
    return _case(
        f"outage-{rate:.0%}",
        f"{rate:.0%} of requests fail for an hour",
        models=models,
        background=background,
        outages=[_trouble("a/*", rate, at_s=lead_s)],
    )


def quiet(*, models: int, blips: bool, background: float = BACKGROUND, days: float = 90) -> Case:
    """Nothing but the background, and blips where they are asked for."""
    return _case(
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
    slow = _trouble("a/*", 0.0)
    own = _trouble("*", 1.0, for_s=10 * MINUTE_S)
    return (
        *(
            _case("ramp", "rising from 0 to 50 % in 40 min, an hour in all", models=models, outages=[_ramp()])
            for models in (1, 4)
        ),
        *(
            _case("flapping", "3 min at 100 %, 7 min fine, for an hour", models=models, outages=[_flap()])
            for models in (1, 4)
        ),
        _case("sick-model", "one model of four at 50 % for an hour", models=4, outages=[_trouble("a/m1", 0.5)]),
        *(
            _case("slow", "answers take 20 times as long for an hour", models=models, outages=[_slowed(slow)])
            for models in (1, 4)
        ),
        _case(
            "two-providers",
            "the first standby's provider too, both at 50 % for an hour",
            models=1,
            providers=3,
            outages=[_trouble("a/*", 0.5), _trouble("b/*", 0.5)],
        ),
        *(
            _case("own-network", "our own network is down for 10 min", models=models, outages=[_ours(own)])
            for models in (1, 4)
        ),
    )


def _trouble(targets: str, rate: float, *, at_s: float = LEAD_S, for_s: float = HOUR_S) -> Outage:
    """Which targets it hits is filled in by `_case`."""
    return Outage(at_s=at_s, for_s=for_s, written=targets, targets=frozenset(), failure_rate=rate)


def _ramp() -> Outage:
    return replace(_trouble("a/*", 0.5), ramp_s=40 * MINUTE_S)


def _flap() -> Outage:
    return replace(_trouble("a/*", 1.0), flap=Flap(down_s=3 * MINUTE_S, up_s=7 * MINUTE_S))


def _slowed(trouble: Outage) -> Outage:
    return replace(trouble, latency_factor=20.0)


def _ours(trouble: Outage) -> Outage:
    return replace(trouble, outcome=Outcome.UNREACHABLE, own_network=True)


def _case(
    name: str,
    says: str,
    *,
    models: int,
    outages: Iterable[Outage],
    providers: int = 2,
    background: float = BACKGROUND,
    blips: BlipStream | None = None,
    duration_s: float | None = None,
) -> Case:
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
        outages=hit,
    )
    return Case(name=name, says=says, models=models, scenario=scenario, begin_s=begin_s, end_s=end_s)


def _named(configuration: Settings, pattern: str) -> frozenset[str]:
    ids = {target.id for target in configuration.targets}
    return frozenset(ids if pattern == "*" else {i for i in ids if i == pattern or i.startswith(pattern.rstrip("*"))})
