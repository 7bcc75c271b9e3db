"""The report as a document: what was compared, how, what came of it, and what it does not show."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

from benchmarks.detection import demands, tables
from benchmarks.detection.peers import PEERS, Peer
from benchmarks.detection.picture import Bar
from benchmarks.detection.runner import TRAFFIC_RPS
from benchmarks.detection.scenarios import DAY_S, QUARTER_S
from benchmarks.detection.study import LEARNING_S, Effort, Results
from benchmarks.detection.tables import Entrant, best, entrants, ours, table

_TEMPLATE = Path(__file__).with_name("page.md")


def write(results: Results, effort: Effort) -> str:
    """The document as Markdown."""
    return _TEMPLATE.read_text(encoding="utf-8").format(
        runs=sum(figures.seeds for figures in results.values()),
        alt=alt(results),
        summary=summary(results),
        demands=demands.text(results),
        times=tables.times(results),
        users=tables.users(results),
        others=tables.others(results),
        learning=LEARNING_S / 3600,
        own_spread=tables.own_spread(results),
        floors=tables.floors(results),
        rules=_rules(),
        units=_units(),
        rps=TRAFFIC_RPS,
        effort=_effort(results, effort),
    )


def _effort(results: Results, effort: Effort) -> str:
    quarters = ours(1).quiet(results, blips=True).quarters
    return _filled(
        f"- There are {effort.outages} seeds of each outage ({effort.costly} where rules judge traffic or probe from "
        f"many places, {effort.spread} at other backgrounds), and few quiet quarters: {quarters:.0f} of ours with one "
        f"target, as many with four; {_traffic_days(results):.0f} days where rules judge traffic or probe from many "
        "places.",
        indent="  ",
    )


def _traffic_days(results: Results) -> float:
    """How long rules that judge traffic were watched in quiet times; all of them as long."""
    entrant = next(entrant for entrant in entrants() if entrant.peer and entrant.peer.passive)
    return entrant.quiet(results, blips=True).quarters * QUARTER_S / DAY_S


def summary(results: Results) -> str:
    """The comparison with the best peer, in one sentence for each number of targets."""
    sentences = []
    for models, targets in {1: "one target", 4: "four targets"}.items():
        peer = best(results, models=models)
        own_s = ours(models).outage(results, 0.5).mean_s
        if peer:
            theirs_s = peer.outage(results, 0.5).mean_s
            sentences.append(
                f"With {targets} of the failing provider, an outage of 50 % moves the route after {own_s:.0f} s on "
                f"average, {theirs_s / own_s:.1f} times sooner than {peer.label} ({theirs_s:.0f} s)."
            )
    sentences.append("Compared is the soonest peer that probes and keeps to one false failover in 90 days.")
    return _filled(" ".join(sentences))


def _filled(text: str, *, indent: str = "") -> str:
    """A paragraph in lines of the documents' width."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_on_hyphens=False)


def alt(results: Results) -> str:
    """The picture in words, for those who do not see it."""
    rows = "; ".join(
        f"{bar.label}: {', '.join(f'{value:,.0f} s' for value in bar.flip_s.values())}, "
        f"{tables.count(bar.false_per_quarter)} false"
        for bar in bars(results)[:4]
    )
    return (
        "Chart: each rule's mean time to flip at 100, 50 and 20 % failing, and its false failovers per route and 90 "
        f"days. First rows: {rows}."
    )


def bars(results: Results) -> list[Bar]:
    """The picture's rows: ours, then those who probe, then those in the path, the soonest at 50 % first."""
    return [
        Bar(
            label=entrant.label,
            ours=entrant.peer is None,
            in_path=entrant.peer is not None and entrant.peer.passive,
            flip_s={tables.height(rate): entrant.outage(results, rate).mean_s for rate in (1.0, 0.5, 0.2)},
            false_per_quarter=entrant.quiet(results, blips=True).false_per_quarter,
        )
        for entrant in sorted(entrants(), key=lambda entrant: _place(entrant, results))
    ]


def _place(entrant: Entrant, results: Results) -> tuple[int, float]:
    kind = 0 if entrant.peer is None else 2 if entrant.peer.passive else 1
    return kind, entrant.outage(results, 0.5).mean_s


def _rules() -> str:
    return table(["rule", "unhealthy"], [[peer.name, peer.decides] for peer in PEERS])


def _units() -> str:
    by_provider = _names(peer for peer in PEERS if peer.by_provider)
    in_path = _names(peer for peer in PEERS if peer.passive)
    return _filled(
        "Their sources, with commits, are in `benchmarks/detection/peers.py`. "
        f"Rules judge each target by probes; {by_provider} judge a provider; {in_path} judge the application's "
        "requests. Whatever their default, all probe every 30 s here, the first place of each at the moments of "
        "Hotspare's probes."
    )


def _names(peers: Iterable[Peer]) -> str:
    """`A, B and C`, without what stands after a comma in a name."""
    *names, last = [peer.name.split(",")[0] for peer in peers]
    return f"{', '.join(names)} and {last}" if names else last
