"""`make drills`: faults in virtual time (`simulation`), or provoked on the real service (`reliability`, as root)."""

import argparse
import json
import os
import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import track

from benchmarks.drills.simulation.runner import Played, play_all
from benchmarks.reliability import report as reliability

_MOST_SHOWN = 5


def main() -> int:
    """1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="make drills", description=__doc__)
    parser.add_argument("drill", nargs="?", choices=("simulation", "reliability"), default="simulation")
    parser.add_argument("--histories", type=int, default=300, help="of the simulation (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    args = parser.parse_args()
    if args.drill == "reliability":
        reliability.main()
        return 0
    return _simulate(range(args.seed, args.seed + args.histories), args.jobs, as_json=args.json)


def _simulate(seeds: range, jobs: int, *, as_json: bool) -> int:
    began_s, screen = time.monotonic(), Console(stderr=True)
    played, wrong, kinds = 0, list[Played](), Counter[str]()
    steps, virtual_s, exposed_s = 0, 0.0, 0.0
    results = track(
        play_all(seeds, jobs), "histories", total=len(seeds), console=screen, disable=not screen.is_terminal
    )
    for each in results:
        played, steps, virtual_s = played + 1, steps + each.steps, virtual_s + each.virtual_s
        exposed_s = max(exposed_s, each.exposed_s)
        kinds.update(set(each.kinds))
        if each.wrong:
            wrong.append(each)
            _print_failure(each)
    took_s = time.monotonic() - began_s
    if as_json:
        document = {
            "histories": played,
            "first_seed": seeds.start,
            "failed": [{"seed": each.history.seed, "wrong": list(each.wrong)} for each in wrong],
            "steps": steps,
            "virtual_s": round(virtual_s),
            "longest_exposed_s": round(exposed_s, 1),
            "wall_s": round(took_s, 1),
            "faults": dict(kinds.most_common()),
        }
        print(json.dumps(document, ensure_ascii=False))
    else:
        print(f"{played - len(wrong):,} of {played:,} histories held, {len(wrong):,} failed, in {took_s:.0f} s")
        print(f"{steps:,} steps of disk and database, {virtual_s / 3600:,.0f} virtual hours")
        print(f"users were on a target of which everything failed for {exposed_s:.0f} s at the most")
        print("histories by fault: " + ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common()))
    return 1 if wrong else 0


def _print_failure(failed: Played) -> None:
    lines = [f"seed {failed.history.seed}: {len(failed.wrong)} things were wrong, with these faults alone:"]
    lines += [f"  {fault}" for fault in failed.history.faults]
    lines += [f"  ! {text[:300]}" for text in failed.wrong[:_MOST_SHOWN]]
    lines += [f'  again: make drills ARGS="simulation --seed {failed.history.seed} --histories 1"']
    print("\n".join(lines), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
