"""Options that several commands share, the types of their values, and the configuration that they name."""

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from math import inf
from pathlib import Path

from controller.cli import output
from controller.routing.operator_requests import LONGEST_OVERRIDE_S, RefusedError
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.config.problems import ConfigError
from monitor.config.section import Section, json_schema
from monitor.config.settings import Settings
from monitor.config.units import parse_duration, parse_number
from monitor.formatting import ago, format_duration
from monitor.liveness import Liveness, service_status

_MAX_COUNT = 1_000_000
_LARGEST_ID = 2**53 - 1
_DAY = timedelta(days=1)
_MOST_PER_S = 1_000_000


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `-c FILE`, the configuration."""
    parser.add_argument(
        "-c", "--config", type=Path, default=Path("hotspare.yaml"), metavar="FILE", help="default: %(default)s"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add `--jobs J`, the number of processes."""
    parser.add_argument("--jobs", type=count, metavar="J", help="processes at work (default: one per core)")


class _PrintSchema(argparse.Action):
    """Prints the JSON Schema of a file and ends, as `--help` does: no other argument need be there."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        root, title = self.const
        output.print_document(json_schema(root, title))
        sys.stdout.flush()  # here, where a full disk can still be reported
        parser.exit()


def add_schema(parser: argparse.ArgumentParser, root: type[Section], title: str) -> None:
    """Add `--schema`."""
    text = "print the JSON Schema of the file, for editors, and end"
    parser.add_argument("--schema", action=_PrintSchema, nargs=0, const=(root, title), help=text)


def load_settings(path: Path, *, keys: bool = True, stores: bool = True, warns: bool = False) -> Settings:
    """Load the configuration; `keys` and `stores` as for `load`. Raises ConfigError.

    Its warnings are printed where it `warns`: by the commands that one runs when it has changed.
    """
    try:
        settings = load(path, os.environ, keys=keys, stores=stores)
    except ConfigError as error:
        _say_what_runs(error)
        raise
    if warns:
        output.warn(settings.warnings)
    return settings


def _say_what_runs(error: ConfigError) -> None:
    """Print by which configuration a service goes on, where the file is wrong by now."""
    if not error.database:
        return
    from monitor.storage.database import DatabaseError, open_reader, shared_now  # noqa: PLC0415 - slow to import
    from monitor.storage.store import Store  # noqa: PLC0415 - likewise

    with suppress(DatabaseError):
        now = shared_now(error.database)
        service = service_status(Store(open_reader(error.database)).last_beat(), now)
        if service.beat and service.beat.loaded_at and service.liveness is Liveness.RUNNING:
            runs = f"the service goes on with revision {service.beat.revision}, read {ago(service.beat.loaded_at, now)}"
            output.print_error(f"{runs}; commands need a file without mistakes (-c FILE), and this one has some:")


def budget_warnings(settings: Settings) -> Sequence[str]:
    """What the configured budget does to the intervals, where there is one."""
    if settings.budget.usd_per_month is None:
        return ()
    from monitor.budget import summary  # noqa: PLC0415 - SQLAlchemy and the price list are slow to import

    return summary.warnings(settings, utc_now())


def warn_about_backgrounds(settings: Settings) -> dict[str, float]:
    """Print which targets usually fail more often than is allowed for, where a database knows it.

    Returns how long the blips of targets last where that was learned, in seconds, by id.
    """
    # Not at the top: SQLAlchemy is slow to import.
    from controller.status.overview import detector_states, learned_blips, noisy_backgrounds  # noqa: PLC0415
    from monitor.storage.database import DatabaseError, open_reader  # noqa: PLC0415
    from monitor.storage.store import Store  # noqa: PLC0415

    try:
        states = detector_states(settings, Store(open_reader(settings.database)).states())
    except DatabaseError:
        return {}  # nothing has run yet, or another version: there is nothing to warn of
    output.warn(noisy_backgrounds(states))
    return learned_blips(settings, states, utc_now())


def reported_per_s(settings: Settings) -> float:
    """The requests a second of each route that were reported in the last day, of the route with the fewest; 0: none."""
    if not settings.traffic:
        return 0.0
    # Not at the top: SQLAlchemy is slow to import.
    from monitor.storage.database import DatabaseError, open_reader  # noqa: PLC0415
    from monitor.storage.traffic_store import TrafficStore  # noqa: PLC0415

    now = utc_now()
    try:
        totals, first_at = TrafficStore(open_reader(settings.database)).totals(since=now - _DAY, until=now)
    except DatabaseError:
        return 0.0
    requests = {route.name: 0 for route in settings.routes}
    for (_, route, _), total in totals.items():
        if route in requests:
            requests[route] += total.requests
    return min(requests.values()) / max(1.0, (now - first_at).total_seconds())


def author_of(args: argparse.Namespace) -> str:
    """Return `--author`, or the login name, also under sudo; raises RefusedError when there is none."""
    if args.author is not None:
        return str(args.author)
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # what Python 3.11 and 3.13 raise for a user id without a name
        raise RefusedError("this user has no login name: say who you are with --author NAME") from None


def _duration(text: str, *, longest_s: float, expected: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    if 1 <= seconds <= longest_s:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is out of range: expected {expected}")


def requests_per_s(text: str) -> float:
    """The type of a rate of requests, such as `10/s`."""
    number, _, unit = text.partition("/")
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(unit)
    try:
        per_s = parse_number(number) / seconds if seconds else 0.0
    except ValueError:
        per_s = 0.0
    if 0 < per_s <= _MOST_PER_S:
        return per_s
    raise argparse.ArgumentTypeError(f"{text!r} is no rate of requests; expected one such as 10/s or 30/m")


override_duration = partial(
    _duration, longest_s=LONGEST_OVERRIDE_S, expected=f"1s to {format_duration(LONGEST_OVERRIDE_S)}"
)
past_duration = partial(_duration, longest_s=inf, expected="1s or more")


def _whole_number(lowest: int, highest: int, problem: str) -> Callable[[str], int]:
    """Return the type of an argument; `problem` ends the message about any other text."""

    def parse(text: str) -> int:
        if text.isdecimal() and lowest <= int(text) <= highest:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} {problem}")

    return parse


incident_id = _whole_number(1, _LARGEST_ID, "is no incident's number; `hotspare incidents` lists them")
count = _whole_number(1, _MAX_COUNT, f"is not a count; expected 1 to {_MAX_COUNT:,}")
seed = _whole_number(0, _MAX_COUNT, f"is not a seed; expected 0 to {_MAX_COUNT:,}")
port = _whole_number(1, 65535, "is not a port; expected 1 to 65535")
