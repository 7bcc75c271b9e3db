"""Plays histories by their seeds, makes a failing one smaller, and prints it with the command that replays it."""

import gc
import logging
import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.drills.simulation.fault_history import FaultHistory
from benchmarks.drills.simulation.history import History, draw
from benchmarks.drills.simulation.service import SimulatedService
from benchmarks.drills.simulation.watch import MOST_CALM_S, Watch

_MOST_SHOWN = 5
H = TypeVar("H", bound=FaultHistory[Any])
_ROOM = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of one history."""

    history: FaultHistory[Any]
    wrong: tuple[str, ...]
    virtual_s: float
    steps: int
    exposed_s: float
    """The longest time that users were on a target that fails, with nothing in the way."""
    kinds: tuple[str, ...]
    takeovers_s: tuple[float, ...] = ()
    """Of a fleet: how long nobody led each time, while somebody could have."""


def play(history: History) -> Played:
    """One history, from its start until all has been well for long."""
    with room() as folder:
        service = SimulatedService(history, folder)
        watch, raised = Watch(service), list[str]()
        try:
            service.run(history.over_s)
            service.end_overrides(history.faults)
            service.run(history.over_s + MOST_CALM_S, watch.is_settled)
            watch.finish()
        except Exception as error:  # noqa: BLE001 - whatever it is, its seed must be known
            raised.append(f"{type(error).__name__}: {error}, after {service.at_s:.1f} s\n{traceback.format_exc()}")
        finally:
            service.close()
        return Played(
            history=history,
            wrong=(*watch.wrong, *raised),
            virtual_s=service.at_s,
            steps=service.disk.steps,
            exposed_s=watch.longest_exposed_s,
            kinds=tuple(fault.kind.value for fault in history.faults),
        )


def play_seed(seed: int) -> Played:
    """The history of a seed; one that goes wrong without as many of its faults as it can."""
    return play_in_worker(draw(seed), play)


def play_in_worker(history: H, play_once: Callable[[H], Played]) -> Played:
    """One history in a process of its own, made smaller where it goes wrong."""
    logging.disable()
    gc.freeze()
    gc.disable()  # a worker plays thirty histories
    played = play_once(history)
    return shrunk(played, play_once) if played.wrong else played


def shrunk(played: Played, play_again: Callable[[Any], Played]) -> Played:
    """The same failure, or another one, with fewer faults."""
    place = 0
    while place < len(played.history.faults):
        smaller = play_again(played.history.without(place))
        played, place = (smaller, place) if smaller.wrong else (played, place + 1)
    return played


def play_all(seeds: range, jobs: int, play_one: Callable[[int], Played] = play_seed) -> Iterator[Played]:
    """Each in turn, in processes of their own whose sets have the same order every time."""
    os.environ["PYTHONHASHSEED"] = "0"
    ignore = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for them
    with get_context("spawn").Pool(jobs, signal.signal, ignore, maxtasksperchild=3) as pool:
        yield from pool.imap_unordered(play_one, seeds, chunksize=10)


@contextmanager
def room() -> Iterator[Path]:
    """An empty folder, in memory where that can be."""
    name = tempfile.mkdtemp(prefix="hotspare-drill-", dir=_ROOM if os.access(_ROOM, os.W_OK) else None)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)
