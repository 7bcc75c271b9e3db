"""Plays histories of fleets by their seeds."""

import traceback

from benchmarks.drills.fleet_simulation.faults import provoke
from benchmarks.drills.fleet_simulation.fleet import SimulatedFleet
from benchmarks.drills.fleet_simulation.history import History, draw
from benchmarks.drills.fleet_simulation.watch import MOST_CALM_S, Watch
from benchmarks.drills.simulation.runner import Played, play_in_worker, room


def play(history: History) -> Played:
    """One history, from its start until all has been well for long."""
    with room() as folder:
        fleet = SimulatedFleet(history, folder)
        watch, raised = Watch(fleet), list[str]()
        provoke(fleet)
        try:
            fleet.run(history.over_s)
            fleet.run(history.over_s + MOST_CALM_S, watch.settles)
            watch.finish()
        except Exception as error:  # noqa: BLE001 - whatever it is, its seed must be known
            raised.append(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
        finally:
            fleet.close()
        return Played(
            history=history,
            wrong=(*watch.wrong, *raised),
            virtual_s=fleet.timeline.now_s,
            steps=fleet.server.statements,
            exposed_s=watch.longest_exposed_s,
            kinds=tuple(fault.kind.value for fault in history.faults),
            takeovers_s=tuple(watch.takeovers_s),
        )


def play_seed(seed: int) -> Played:
    """The history of a seed; one that goes wrong without as many of its faults as it can."""
    return play_in_worker(draw(seed), play)
