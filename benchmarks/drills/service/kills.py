"""kill -9 of running services at random moments, while outages come and go, and what must hold all the same."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.drills.service.aftermath import TOKEN, KillReport, held_by, look_back, untold
from benchmarks.reliability.lab import PATIENCE_S, SECOND, BrokenPromiseError, Lab
from tests.support.slack_server import SlackServer

#: A third of the services die as they start; the others so many seconds after their first file at the most, and so many
#: times what a start takes: on a busy machine it is long before they probe.
_LONGEST_S: Final = 4.0
_LONGEST_STARTS: Final = 2.0
#: How long a start takes, until one was seen.
_START_S: Final = 1.0
#: The chance that the first provider begins to fail, or answers again, while a service runs: before the route is
#: where it should be, and once it is there.
_TURNS: Final = (0.1, 0.8)


def kill_often(kills: int, seed: int, jobs: int = 1, go_on: Callable[[], bool] = lambda: True) -> KillReport:
    """Kill so many, in `jobs` courses side by side, each with files, providers and a Slack of its own.

    `go_on` is asked after each kill, from any thread; False ends the drill.
    """
    shares = [kills // jobs + (number < kills % jobs) for number in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        works = [pool.submit(_course, share, seed + number, go_on) for number, share in enumerate(shares)]
        return sum((work.result() for work in works), start=KillReport())


def _course(kills: int, seed: int, go_on: Callable[[], bool]) -> KillReport:
    report, dice, start_s, held = KillReport(), random.Random(seed), _START_S, set[str]()
    with TemporaryDirectory() as name, SlackServer(token=TOKEN) as slack:
        lab = Lab(Path(name), disks=False, faked_time=False, slack_url=slack.url, may_vanish=False)
        try:
            for report.kills in range(1, kills + 1):
                start_s = _live_and_die(lab, dice, start_s, report)
                held |= held_by(lab)
                if not go_on():
                    break
            _end_well(lab)
            report.wrong += [f"{each} still waits beside the routing file" for each in held_by(lab)]
        except BrokenPromiseError as error:
            report.wrong.append(str(error))
        finally:
            lab.close()
        look_back(lab, slack, report, held)
    return report


def _end_well(lab: Lab) -> None:
    """A last service, which sets right what the others have left, and ends by itself."""
    lab.servers.failing, written = set(), lab.table().get("written_at")
    service = lab.start()
    lab.until(lambda: lab.table().get("written_at") != written, "a file of the last service")
    lab.until(lab.both_up, "both targets up in the end")
    lab.until(lambda: not untold(lab.database), "people told of everything")
    lab.stop(service)


def _live_and_die(lab: Lab, dice: random.Random, start_s: float, report: KillReport) -> float:
    """One service, from its start to its death; how many seconds a start takes."""
    before, written, began = lab.journalled(), lab.table().get("written_at"), time.monotonic()
    service, as_it_starts = lab.start(), dice.random() < 1 / 3
    ends = began + (dice.uniform(0, start_s) if as_it_starts else PATIENCE_S)
    is_settled = lab.target() == SECOND if lab.servers.failing else lab.both_up()
    turns, published = began + 2 * start_s * dice.random() if dice.random() < _TURNS[is_settled] else ends, False
    while (now := time.monotonic()) < ends and service.poll() is None:
        if now >= turns:
            lab.servers.failing, turns = {"one"} ^ lab.servers.failing, now + PATIENCE_S
        if not published and lab.table().get("written_at") != written:
            published, start_s = True, now - began
            if lab.table()["generation"] < before:
                report.wrong.append(f"published generation {lab.table()['generation']}, journalled was {before}")
            if not as_it_starts:
                ends = now + dice.uniform(0, _LONGEST_S + _LONGEST_STARTS * start_s)
        time.sleep(0.005)
    if service.poll() is not None:
        report.wrong.append(f"a service ended by itself: exit code {service.returncode}")
    elif not (published or as_it_starts):
        report.wrong.append(f"a service published nothing within {PATIENCE_S:g} s")
    lab.kill(service)
    return start_s
