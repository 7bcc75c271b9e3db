"""`make bench`: all benchmarks, or those named in ARGS."""

import sys

from benchmarks import detection, routing, startup

BENCHMARKS = {"startup": startup.main, "routing": routing.main, "detection": detection.main}


def main() -> int:
    """Run them in order; 2 for a name that there is none of."""
    wanted = sys.argv[1:] or list(BENCHMARKS)
    for name in wanted:
        if name not in BENCHMARKS:
            print(f"{name!r} is no benchmark; known are {', '.join(BENCHMARKS)}", file=sys.stderr)
            return 2
    for name in wanted:
        print(f"## {name}\n")
        BENCHMARKS[name]()
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
