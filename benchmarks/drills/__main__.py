"""`make drills`: faults in virtual time (`simulation`, `fleet-simulation`), or provoked on the real service.

`targets`, `history`: thousands of targets, and years of sums, must cost in the end what they did at first. `kills`:
kill -9 at random moments; with `--steps`, at each step with files. `fleet`: machines on one PostgreSQL are killed,
paused, cut off and set by an hour, and it is restarted, locked, slow, gone, failed over and (as root) full. `hostile`:
all that the service talks to is hostile at once, and what it wrote is searched for keys. As root: `network` (gone,
lossy, slow, without names) and `reliability` (disks, databases, locks, clocks). Ctrl-C ends a simulation or `fleet`
with a report of what was until then.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import Progress, track

from benchmarks.drills.fleet_simulation.runner import play_seed as play_fleet
from benchmarks.drills.service.aftermath import KillReport
from benchmarks.drills.service.fleet import FleetDrill, FleetReport
from benchmarks.drills.service.fleet_faults import FAULTS as FLEET_FAULTS
from benchmarks.drills.service.growth import growth_lines
from benchmarks.drills.service.history import outlive_history
from benchmarks.drills.service.hostile import endure_hostility
from benchmarks.drills.service.kills import kill_often
from benchmarks.drills.service.network import FAULTS as NETWORK_FAULTS
from benchmarks.drills.service.network import fail_network
from benchmarks.drills.service.steps import ALL, kill_at_each_step
from benchmarks.drills.service.targets import watch_targets
from benchmarks.drills.simulation.runner import Played, play_all, play_seed
from benchmarks.reliability.trials import TRIALS, provoke

_MOST_SHOWN = 5
#: Services mostly wait: for probes, an outage, a hold.
_COURSES_PER_JOB = 2
_TARGETS, _TARGETS_OF_HISTORY, _SHORT_DAYS = 10_000, 50, 60
_SCREEN = Console(stderr=True)
_Result = TypeVar("_Result")


def main() -> int:
    """1 where something did not hold."""
    parser = argparse.ArgumentParser(
        prog="make drills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("drill", nargs="?", choices=_DRILLS, default="simulation")
    parser.add_argument("--histories", type=int, default=300, help="of a simulation (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=500, help="services that die, or faults of a fleet (default: 500)")
    parser.add_argument("--machines", type=int, default=3, help="of a fleet (default: %(default)s)")
    parser.add_argument("--fleets", type=int, default=1, help="side by side (default: %(default)s)")
    parser.add_argument(
        "--only", metavar="FAULT", action="append", default=[], help="of `fleet`, `reliability`: this one, or these"
    )
    parser.add_argument(
        "--gone", type=float, default=60.0, help="seconds without the database of a fleet (default: %(default)s)"
    )
    parser.add_argument("--steps", action="store_true", help="kill at each write, sync, rename; needs a C compiler")
    parser.add_argument("--every", type=int, default=1, help="with --steps: at each so manieth (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="of hostility, echoes, targets (default: %(default)s)"
    )
    parser.add_argument("--echoes", action="store_true", help="all that is hostile is that keys come back")
    parser.add_argument("--targets", type=int, help="every 30 s (default: 10,000); of a history (default: 50)")
    parser.add_argument("--days", type=int, default=730, help="of history (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first history; the dice (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    args = parser.parse_args()
    known = _FAULTS.get(args.drill, ())
    if unknown := [name for name in args.only if name not in known]:
        parser.error(f"{args.drill} has no fault {unknown[0]!r}; known are: {'; '.join(known) or 'none'}")
    return _DRILLS[args.drill](args)


def _kill(args: argparse.Namespace) -> int:
    if args.steps:
        return _kill_at_steps(args)
    with _progress("kills", args.kills) as go_on:
        report = kill_often(args.kills, args.seed, _COURSES_PER_JOB * args.jobs, go_on)
    return _end(asdict(report), _kill_lines(report), report.wrong, as_json=args.json)


def _kill_at_steps(args: argparse.Namespace) -> int:
    try:
        with _progress("kills", None) as go_on:
            report = kill_at_each_step(_COURSES_PER_JOB * args.jobs, ALL[:: args.every], go_on=go_on)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    lines = [f"{phase}: {before} before a step, {torn} in a write" for phase, (before, torn) in report.phases.items()]
    return _end(asdict(report), [*lines, *_kill_lines(report)], report.wrong, as_json=args.json)


def _kill_lines(report: KillReport) -> tuple[str, ...]:
    return (
        f"{report.kills:,} processes were killed; {report.files:,} routing files were read meanwhile",
        f"{report.decisions:,} decisions, {report.incidents:,} incidents, {report.messages:,} messages in Slack",
        f"{report.probes:,} probes are stored; {len(report.lost_s):,} of {report.answers:,} answers came too late",
        f"the earliest of these came {max(report.lost_s, default=0):.1f} s before the last answer of its service",
    )


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[], bool]]:
    """What is called each time that one of them is over, from any thread; it says whether to go on."""
    interrupts = _interrupts()
    with Progress(console=_SCREEN, disable=not _SCREEN.is_terminal) as progress:
        task = progress.add_task(what, total=total)

        def go_on() -> bool:
            progress.advance(task)
            return not interrupts

        yield go_on


def _endure(args: argparse.Namespace) -> int:
    report = endure_hostility(60 * args.minutes, args.seed, only_echoes=args.echoes)
    lines = (
        f"{report.answers:,} hostile answers in {report.seconds / 60:g} min",
        "reached: " + ", ".join(f"{name} {times:,}" for name, times in report.asked.items()),
        f"at the most {report.most_mib:.0f} MiB and {report.most_files} open files",
        *([] if args.echoes else [f"the good provider was asked {report.late_p99_s * 1000:.0f} ms late (p99)"]),
        f"it ended {report.stopped_s:.1f} s after SIGTERM",
        f"{report.searched_bytes / 1e6:.1f} MB of what it wrote and sent were searched for keys",
    )
    return _end(asdict(report), lines, report.wrong, as_json=args.json)


def _watch_targets(args: argparse.Namespace) -> int:
    report = watch_targets(args.targets or _TARGETS, 60 * args.minutes)
    lines = [
        f"{report.targets:,} targets for {report.seconds / 60:g} min",
        f"{report.probes:,} probes were looked at, {report.not_ok:,} not ok",
        *growth_lines(report.first, report.last),
    ]
    return _end(asdict(report), lines, report.wrong, as_json=args.json)


def _outlive_history(args: argparse.Namespace) -> int:
    report = outlive_history(args.targets or _TARGETS_OF_HISTORY, args.days, min(args.days, _SHORT_DAYS))
    lines = [f"{report.targets:,} targets, {report.days:,} days", *growth_lines(report.short, report.long)]
    return _end(asdict(report), lines, report.wrong, as_json=args.json)


def _fail_network(args: argparse.Namespace) -> int:
    reports = list(_tracked(fail_network(), "faults", len(NETWORK_FAULTS)))
    lines = [
        f"{report.name}: "
        + ("nothing moved" if report.moved_s is None else f"moved after {report.moved_s:.1f} s")
        + ("" if report.unknown_s is None else f", health unknown after {report.unknown_s:.1f} s")
        for report in reports
    ]
    wrong = [f"{report.name}: {text}" for report in reports for text in report.wrong]
    return _end({"faults": [asdict(report) for report in reports]}, lines, wrong, as_json=args.json)


def _fail_fleet(args: argparse.Namespace) -> int:
    drill = FleetDrill(
        faults=args.kills,
        seed=args.seed,
        machines=args.machines,
        fleets=args.fleets,
        kinds=args.only,
        gone_s=args.gone,
    )
    with _progress("faults", args.kills) as go_on:
        report = drill.play(go_on)
    head = f"{sum(report.log.faults.values())} faults of {args.fleets} x {args.machines} machines"
    return _end(asdict(report), [f"{head}:", *_fleet_lines(report)], report.wrong, as_json=args.json)


def _fleet_lines(report: FleetReport) -> Iterator[str]:
    for kind, count in Counter(report.log.faults).most_common():
        times = sorted(report.log.takeovers_s.get(kind, ()))
        yield f"  {kind}: {count}" + (f", taken over in {_spread(times)}" if times else "")
    counts = f"{report.epochs} epochs, {report.decisions} decisions, {report.incidents} incidents"
    yield from (f"logs: {folder}" for folder in report.logs)
    yield f"{counts}, {report.messages} messages in Slack; {report.files:,} routing files were read meanwhile"


def _spread(times: Sequence[float]) -> str:
    p99_s = times[min(len(times) - 1, len(times) * 99 // 100)]
    return f"{times[len(times) // 2]:.1f} s in the middle, {p99_s:.1f} s at p99, {times[-1]:.1f} s at the most"


def _interrupts() -> Sequence[int]:
    """Ctrl-C is counted from now on: the drill stops by itself, and reports what there is by then."""
    seen = list[int]()
    signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    return seen


def _end(document: dict[str, object], lines: Iterable[str], wrong: Sequence[str], *, as_json: bool) -> int:
    print(json.dumps(document, ensure_ascii=False) if as_json else "\n".join(lines))
    for text, times in Counter(wrong).items():
        print(f"  ! {text[:300]}" + (f" ({times} times)" if times > 1 else ""), file=sys.stderr)
    if not as_json:
        print(f"{len(wrong)} things did not hold" if wrong else "all held")
    return 1 if wrong else 0


def _tracked(results: Iterable[_Result], what: str, total: int) -> Iterable[_Result]:
    return track(results, what, total=total, console=_SCREEN, disable=not _SCREEN.is_terminal)


def _simulate(args: argparse.Namespace) -> int:
    seeds = range(args.seed, args.seed + args.histories)
    began_s, interrupts = time.monotonic(), _interrupts()
    played, wrong, kinds = 0, list[Played](), Counter[str]()
    steps, virtual_s, exposed_s, takeovers_s = 0, 0.0, 0.0, list[float]()
    for each in _tracked(play_all(seeds, args.jobs, _PLAYERS[args.drill]), "histories", len(seeds)):
        takeovers_s += each.takeovers_s
        played, steps, virtual_s = played + 1, steps + each.steps, virtual_s + each.virtual_s
        exposed_s = max(exposed_s, each.exposed_s)
        kinds.update(set(each.kinds))
        if each.wrong:
            wrong.append(each)
            _print_failure(each, args.drill)
        if interrupts:
            break
    took_s = time.monotonic() - began_s
    if args.json:
        document = {
            "histories": played,
            "first_seed": seeds.start,
            "failed": [{"seed": each.history.seed, "wrong": list(each.wrong)} for each in wrong],
            "steps": steps,
            "virtual_s": round(virtual_s),
            "longest_exposed_s": round(exposed_s, 1),
            "takeovers_s": [round(seconds, 1) for seconds in takeovers_s],
            "wall_s": round(took_s, 1),
            "faults": dict(kinds.most_common()),
        }
        print(json.dumps(document, ensure_ascii=False))
    else:
        print(f"{played - len(wrong):,} of {played:,} histories held, {len(wrong):,} failed, in {took_s:.0f} s")
        what = "statements of the database" if takeovers_s else "steps of disk and database"
        print(f"{steps:,} {what}, {virtual_s / 3600:,.0f} virtual hours")
        print(f"users were on a target of which everything failed for {exposed_s:.0f} s at the most")
        if takeovers_s:
            print(f"{len(takeovers_s):,} takeovers: in {_spread(sorted(takeovers_s))}")
        print("histories by fault: " + ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common()))
    return 1 if wrong else 0


def _provoke(args: argparse.Namespace) -> int:
    reports = list(_tracked(provoke(args.only), "faults", len(args.only or TRIALS)))
    wrong = [f"{report.name}: {text}" for report in reports for text in report.wrong]
    return _end({"faults": [asdict(report) for report in reports]}, map(str, reports), wrong, as_json=args.json)


def _print_failure(failed: Played, drill: str) -> None:
    lines = [f"seed {failed.history.seed}: {len(failed.wrong)} things were wrong, with these faults alone:"]
    lines += [f"  {fault}" for fault in failed.history.faults]
    lines += [f"  ! {text[:300]}" for text in failed.wrong[:_MOST_SHOWN]]
    lines += [f'  again: make drills ARGS="{drill} --seed {failed.history.seed} --histories 1"']
    print("\n".join(lines), file=sys.stderr, flush=True)


_PLAYERS: Final = {"simulation": play_seed, "fleet-simulation": play_fleet}
_DRILLS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "simulation": _simulate,
    "fleet-simulation": _simulate,
    "kills": _kill,
    "fleet": _fail_fleet,
    "hostile": _endure,
    "targets": _watch_targets,
    "history": _outlive_history,
    "network": _fail_network,
    "reliability": _provoke,
}
_FAULTS: Final[Mapping[str, Iterable[str]]] = {"fleet": FLEET_FAULTS, "reliability": TRIALS}

if __name__ == "__main__":
    sys.exit(main())
