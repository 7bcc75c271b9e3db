"""How soon routes move with three regions and with one, in simulated outages of a provider.

One model, or four, every 30 s in each region. The provider fails for all regions, or for one of them; then it is
counted how often a route of another region moved while it lasted.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean, quantiles

from controller.plan.trials import TrialSubject, run_trial
from monitor.config.route import Route
from tests.support.builders import in_regions, settings

_REGIONS = ("eu", "us", "ap")
_RATES = (1.0, 0.5, 0.2)
_SEEDS, _FEW_SEEDS = 60, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """What came of the trials of one kind."""

    moved_after_s: tuple[float, ...]
    """Of each route whose region saw the outage, and that moved."""
    stayed: int
    """Routes of such regions that did not move while it lasted."""
    others: int
    """Routes of other regions that moved."""

    @property
    def cell(self) -> str:
        """`17 (25)`: the mean and the 95th percentile, in seconds."""
        stayed = f", {self.stayed} stayed" * bool(self.stayed)
        return f"{fmean(self.moved_after_s):.0f} ({quantiles(self.moved_after_s, n=20)[-1]:.0f}){stayed}"


def main(seeds: int = _SEEDS) -> None:
    """Print the table; about five CPU minutes."""
    print("|models|fails|one region|three regions, all fail|one of three fails|other regions' routes that moved|")
    print("|---" * 6 + "|")
    for models, rate in product((1, 4), _RATES):
        alone = measure(models, ("",), ("",), rate, seeds)
        everywhere = measure(models, _REGIONS, _REGIONS, rate, seeds)
        here = measure(models, _REGIONS, _REGIONS[:1], rate, seeds)
        cells = f"{alone.cell}|{everywhere.cell}|{here.cell}|{here.others}"
        print(f"|{models}|{rate:.0%}|{cells}|".replace("%", " %"), flush=True)


def quick() -> None:
    """Print it of a few trials."""
    main(_FEW_SEEDS)


def measure(models: int, regions: tuple[str, ...], failing: tuple[str, ...], rate: float, seeds: int) -> Delays:
    """How long routes took; the region `""` is that of a configuration without regions."""
    names = [f"a/m{number}" for number in range(models)]
    routes = [Route(name=f"r{number}", candidates=(name, "b/m")) for number, name in enumerate(names)]
    world = settings(Path("/nowhere"), *names, "b/m", routes=routes)
    world = in_regions(world, regions) if regions != ("",) else world
    down = frozenset(
        target.id for target in world.targets if target.provider.name == "a" and target.monitored_from in failing
    )
    subject = TrialSubject(name="a", settings=world, failing=down)
    seen = {route.name: route.region in failing for route in world.routes}
    trials = [run_trial(subject, rate, seed) for seed in range(seeds)]
    after = [(seen[name], left_s) for trial in trials for name, left_s in trial.items()]
    return Delays(
        moved_after_s=tuple(left_s for was_seen, left_s in after if was_seen and left_s is not None),
        stayed=sum(was_seen and left_s is None for was_seen, left_s in after),
        others=sum(not was_seen and left_s is not None for was_seen, left_s in after),
    )
