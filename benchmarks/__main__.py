"""`make bench`: all benchmarks but those that install others' programs, or those named in ARGS."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import (
    api,
    cycle,
    fleet,
    follow,
    latency,
    litellm,
    newcomer,
    page,
    promise,
    pruning,
    regions,
    replay,
    reports,
    routing,
    scale,
    simulation,
    startup,
    traffic,
)
from benchmarks.client_faults import outage
from benchmarks.detection import asked, report
from benchmarks.probing import report as probing
from benchmarks.regret import report as regret
from benchmarks.regret.scenario_files import worlds_of
from monitor.config.problems import ConfigError

BENCHMARKS: dict[str, Callable[[], None]] = {
    "startup": startup.main,
    "routing": routing.main,
    "probing": probing.main,
    "scale": scale.main,
    "cycle": cycle.main,
    "pruning": pruning.main,
    "detection": report.main,
    "asked": asked.main,
    "regret": regret.main,
    "promise": promise.main,
    "regions": regions.main,
    "traffic": traffic.main,
    "reports": reports.main,
    "latency": latency.main,
    "simulation": simulation.main,
    "replay": replay.main,
    "page": page.main,
    "api": api.main,
    "follow": follow.main,
    "fleet": fleet.main,
    "attempts": outage.main,
}
#: Only when named: LiteLLM's proxy, or Hotspare itself, is installed in an environment of its own.
NAMED: dict[str, Callable[[], None]] = {
    "litellm": litellm.main,
    "newcomer": newcomer.main,
}
#: Those that have a quick way.
QUICK: dict[str, Callable[[], None]] = {
    "probing": probing.quick,
    "detection": partial(report.main, quick=True),
    "asked": partial(asked.main, quick=True),
    "regret": partial(regret.main, quick=True),
    "promise": promise.quick,
    "regions": regions.quick,
    "traffic": traffic.quick,
    "reports": reports.quick,
    "replay": replay.quick,
    "page": partial(page.main, quick=True),
    "api": api.quick,
    "follow": follow.quick,
    "fleet": fleet.quick,
}


def main() -> int:
    """Run them in order; 2 for a name that there is none of, that has no quick way, or for a scenario that is wrong."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks (default: all)")
    parser.add_argument("--quick", action="store_true", help="only to see that it works")
    text = "a scenario, or a folder of them, whose worlds `regret` prints, too"
    parser.add_argument("--scenarios", type=Path, action="append", default=[], metavar="PATH", help=text)
    args = parser.parse_args()
    known = dict(QUICK if args.quick else BENCHMARKS | NAMED)
    wanted = args.names or list(QUICK if args.quick else BENCHMARKS)
    for name in wanted:
        if name not in known:
            print(f"{name!r} is no {'quick ' * args.quick}benchmark; known are {', '.join(known)}", file=sys.stderr)
            return 2
    if args.scenarios and "regret" not in wanted:
        print("--scenarios: only `regret` prints worlds; name it", file=sys.stderr)
        return 2
    try:
        given = worlds_of(args.scenarios)
    except (ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    known["regret"] = partial(regret.main, quick=args.quick, given=given)
    for name in wanted:
        print(f"## {name}\n")
        known[name]()
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
