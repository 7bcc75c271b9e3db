"""The tables of the report, from figures to Markdown."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.detection import bounds
from benchmarks.detection.measure import Figures
from benchmarks.detection.peers import PEERS, Peer
from benchmarks.detection.scenarios import BACKGROUND
from benchmarks.detection.study import BACKGROUNDS, MODELS, OURS, RATES, Cell, Results, lone

#: The promise that a rule must keep to be compared with: false failovers per route and 90 days.
PROMISE = 1.0
#: Settings of a project of which another row shows a better or the default one: in the first table only.
VARIANTS = frozenset(
    {
        "Uptime Kuma, 3 retries",
        "Cloudprober 6 of 10",
        "OpenStatus, 1 region",
        "LiteLLM health check, 1 try",
        "agentgateway 1/1",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A rule with so many targets at the provider in trouble: one row of a table."""

    rule: str
    models: int
    peer: Peer | None
    """None: it is ours."""

    @property
    def label(self) -> str:
        """As rows and bars name it."""
        targets = {1: ", one target", 4: ", four targets"}[self.models]
        alone = self.peer is not None and self.models == 1
        return self.rule + ("" if alone else targets) + (" (in the path)" if self.peer and self.peer.passive else "")

    def figures(self, results: Results, case: str, *, background: float = BACKGROUND) -> Figures | None:
        """Its figures in a case; None where that case was not run with so many targets."""
        return results.get(Cell(rule=self.rule, case=case, models=self.models, background=background))

    def outage(self, results: Results, rate: float, *, background: float = BACKGROUND) -> Figures:
        """Its figures in a plain outage, which everybody has lived through."""
        return results[Cell(rule=self.rule, case=f"outage-{rate:.0%}", models=self.models, background=background)]

    def quiet(self, results: Results, *, blips: bool, background: float = BACKGROUND) -> Figures:
        """Its figures in quiet quarters."""
        case = "blips" if blips else "clean"
        return results[Cell(rule=self.rule, case=case, models=self.models, background=background)]


def entrants() -> Iterator[Entrant]:
    """Every row: ours first, then those who probe, then those in the path; with four targets where that matters."""
    for models in reversed(MODELS):
        yield Entrant(rule=OURS, models=models, peer=None)
    for peer in sorted(PEERS, key=lambda peer: peer.passive):
        for models in MODELS:
            if models == 1 or not lone(peer):
                yield Entrant(rule=peer.name, models=models, peer=peer)


def main_entrants() -> Iterator[Entrant]:
    """Ours, and one row for each rule of others: what the tables after the first show."""
    return (each for each in entrants() if each.peer is None or (each.models == 1 and each.rule not in VARIANTS))


def ours(models: int) -> Entrant:
    """Our own row."""
    return Entrant(rule=OURS, models=models, peer=None)


def best(results: Results, *, models: int, background: float = BACKGROUND) -> Entrant | None:
    """The peer that probes, keeps the promise through blips and moves soonest at 50 %; None when no peer keeps it."""
    fit = [
        entrant
        for entrant in entrants()
        if entrant.peer
        and not entrant.peer.passive
        and entrant.models == (1 if lone(entrant.peer) else models)
        and entrant.quiet(results, blips=True, background=background).false_per_quarter <= PROMISE
    ]
    return min(fit, key=lambda entrant: entrant.outage(results, 0.5, background=background).mean_s, default=None)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, without padding: nobody edits it by hand."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"|{'|'.join(line)}|" for line in lines)


def seconds(value: float, *, at_least: bool = False) -> str:
    """A time to flip in seconds; `–` where there is none."""
    if not math.isfinite(value):
        return "–"
    return f"{'≥' if at_least else ''}{value:,.0f}"


def count(value: float) -> str:
    """A number of moves: exact where it is small."""
    if math.isnan(value):
        return "–"
    return "0" if value == 0 else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def height(rate: float) -> str:
    """How bad an outage is, in a heading."""
    return f"{rate * 100:g} %"


def percent(value: float) -> str:
    """A share in percent."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def flip(figures: Figures | None) -> str:
    """Mean, p50 and p95 in seconds; the percentage of runs that moved, where some never did."""
    if figures is None or not figures.runs:
        return "–"
    if not figures.flipped:
        return "never"
    short = figures.flipped < figures.runs
    quantiles = "/".join(seconds(figures.quantile_s(share)) for share in (0.5, 0.95))
    text = f"{seconds(figures.mean_s, at_least=short)}/{quantiles}"
    return text + (f" ({percent(figures.flipped / figures.runs)} %)" if short else "")


def times(results: Results) -> str:
    """Time to flip, false failovers and probes of everybody."""
    rows = []
    for entrant in entrants():
        clean, blips = (entrant.quiet(results, blips=blips) for blips in (False, True))
        cells = [flip(entrant.outage(results, rate)) for rate in RATES]
        probes = "none" if entrant.peer and entrant.peer.passive else f"{blips.probes:.2f}"
        rows.append([_bold(entrant), *cells, count(clean.false_per_quarter), count(blips.false_per_quarter), probes])
    header = ["rule", *(height(rate) for rate in RATES), "false, clean", "false, blips", "probes"]
    return table(header, rows)


def users(results: Results) -> str:
    """What users felt, and how often the route moved."""
    rows = []
    for entrant in main_entrants():
        hours = [entrant.outage(results, rate) for rate in RATES]
        rows.append([_bold(entrant), *(f"{percent(hour.lost)}/{count(hour.flips)}" for hour in hours)])
    return table(["rule", *(height(rate) for rate in RATES)], rows)


def others(results: Results) -> str:
    """The troubles that are worse than a plain outage to tell from it."""
    rows = []
    for entrant in main_entrants():
        ramp, flapping, slow, own = (
            entrant.figures(results, case) for case in ("ramp", "flapping", "slow", "own-network")
        )
        sick = results[Cell(rule=entrant.rule, case="sick-model", models=4)]
        two = entrant.figures(results, "two-providers")
        rows.append(
            [
                _bold(entrant),
                _soon_and_felt(ramp),
                f"{percent(flapping.lost)}/{count(flapping.flips)}" if flapping else "–",
                f"{_soon(sick)}/{count(sick.others_moved)}",
                _soon_and_felt(slow),
                _soon_and_felt(two),
                count(own.flips) if own else "–",
            ]
        )
    header = ["rule", "ramp: flip/felt", "flapping: felt/flips", "one sick model: flip/siblings' flips"]
    return table([*header, "slow: flip/felt", "two providers: safe/felt", "own network: flips"], rows)


def _soon(figures: Figures) -> str:
    return seconds(figures.mean_s, at_least=figures.flipped < figures.runs) if figures.flipped else "never"


def _soon_and_felt(figures: Figures | None) -> str:
    return f"{_soon(figures)}/{percent(figures.lost)}" if figures else "–"


def own_spread(results: Results) -> str:
    """Our own times by background, and how they compare with the best peer's there."""
    rows = []
    for models in MODELS:
        for background in BACKGROUNDS:
            row = ours(models)
            peer = best(results, models=models, background=background)
            half = row.outage(results, 0.5, background=background).mean_s
            against = "–"
            if peer:
                ratio = peer.outage(results, 0.5, background=background).mean_s / half
                against = f"{ratio:.1f} × {peer.label}"
            rows.append(
                [
                    f"{models}",
                    height(background),
                    *(flip(row.outage(results, rate, background=background)) for rate in RATES[1:]),
                    against,
                ]
            )
    header = ["targets", "background", *(height(rate) for rate in RATES[1:]), "sooner at 50 % than"]
    return table(header, rows)


def floors(results: Results) -> str:
    """Our times against the earliest moment and the bounds for a fixed schedule."""
    rows = []
    for models in MODELS:
        for rate in RATES:
            mean_s = ours(models).outage(results, rate).mean_s
            earliest_s = bounds.earliest_s(rate, targets=models)
            rows.append(
                [
                    f"{models}",
                    height(rate),
                    seconds(earliest_s),
                    seconds(mean_s),
                    f"{mean_s / earliest_s:.2f}",
                    seconds(bounds.lorden_s(rate, targets=models)),
                    seconds(bounds.optimal_s(rate, targets=models)),
                ]
            )
    return table(
        ["targets", "outage", "earliest moment", "Hotspare", "ratio", "Lorden, fixed schedule", "best fixed rule"],
        rows,
    )


def back_s(figures: Figures) -> tuple[float, float]:
    """Mean and p95 of the time from the end of the trouble until the route was back for good."""
    if not figures.back_s:
        return math.nan, math.nan
    rank = math.ceil(0.95 * len(figures.back_s)) - 1
    return statistics.fmean(figures.back_s), figures.back_s[rank]


def _bold(entrant: Entrant) -> str:
    return entrant.label if entrant.peer else f"**{entrant.label}**"
