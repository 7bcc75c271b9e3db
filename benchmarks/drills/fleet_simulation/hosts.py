"""A host of applications that follows the machines of its region; what it is told may be garbage, or an old copy."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from hotspare_client.follow.follower import Follower
from hotspare_client.follow.local_file import LocalFile
from hotspare_client.follow.node import Answer, Node, NodeError

from benchmarks.drills.fleet_simulation.history import FaultKind, History
from benchmarks.drills.fleet_simulation.machine import SimulatedMachine
from benchmarks.drills.fleet_simulation.timeline import SimulatedProcess, Timeline
from benchmarks.drills.simulation.world import clock_at
from controller.api.routing_feed import PublishedTable

_LOOK_S: Final = 1.0
_NO_ANSWER_S: Final = 5.0
_KEPT: Final = 40


class FollowingHost:
    """Runs a `Follower` for as long as the history lasts."""

    def __init__(
        self,
        timeline: Timeline,
        history: History,
        machines: Sequence[SimulatedMachine],
        *,
        name: str,
        region: str,
        folder: Path,
    ) -> None:
        self.timeline, self.history, self.machines = timeline, history, machines
        self.name = name
        self.region = region
        self.file = folder / "routing.json"
        self.copies: list[bytes] = []
        """Tables that a cache between may have kept, the oldest first."""
        self.dice = Random(f"{name} {history.seed}")
        self.process = SimulatedProcess(timeline, name)
        folder.mkdir(parents=True)

    def start(self) -> None:
        """Follow from now on."""
        timeline = self.timeline
        timeline.at(timeline.now_s, lambda: timeline.in_thread(self._follow), self.process)

    def _follow(self) -> None:
        timeline = self.timeline
        nodes = [SimulatedNode(self, each) for each in self.machines if each.region == self.region]
        self.dice.shuffle(nodes)
        local = LocalFile(self.file)
        self.process.on_end.append(local.close)
        follower = Follower(
            nodes,
            local,
            tell=lambda *_, **__: logging.getLogger(__name__).debug("told"),
            region=self.region,
            draw=self.dice.random,
            wall=lambda: clock_at(timeline.now_s, 0).timestamp(),
            monotonic=lambda: timeline.now_s,
        )
        while True:
            timeline.wait(max(0.05, follower.step()))
            follower.tick()


class SimulatedNode(Node):
    """The API of a machine, and what may stand between."""

    def __init__(self, host: FollowingHost, machine: SimulatedMachine) -> None:
        self.address = f"http://{machine.name}"
        self._of = host
        self._machine = machine

    def ask(self, tag: str, wait_s: float, tick: Callable[[], None]) -> Answer:
        """As `Node.ask`."""
        del tick
        host, timeline = self._of, self._of.timeline
        until_s = timeline.now_s + wait_s
        while True:
            if (between := self._between()) is not None:
                timeline.wait(_LOOK_S)
                return Answer(between)
            published = PublishedTable.of(self._content())
            if published.tag != tag:
                host.copies = [*host.copies[-_KEPT:], published.content]
                return Answer(published.content, published.tag)
            if timeline.now_s >= until_s:
                return Answer(None, tag, published.written_at)
            timeline.wait(min(_LOOK_S, max(0.01, until_s - timeline.now_s)))

    def close(self) -> None:
        """There is no connection."""

    def _content(self) -> bytes:
        process, timeline = self._machine.process, self._of.timeline
        if process is None:
            raise NodeError("it cannot be asked: refused", cut=True)
        if process.still_until_s > timeline.now_s or not self._machine.file.exists():
            timeline.wait(_NO_ANSWER_S)
            raise NodeError("it did not answer in time")
        return self._machine.file.read_bytes()

    def _between(self) -> bytes | None:
        """What is said in the machine's place."""
        host = self._of
        now_s, content = host.timeline.now_s, host.copies[-1] if host.copies else b""
        if host.history.near(now_s, frozenset({FaultKind.GARBAGE})):
            others: list[Any] = [
                b"<html>",
                b"{}",
                b"",
                content[:-40],
                content.replace(b'"weights"', b'"w"'),
                b"\xff" * 99,
            ]
            others += [each.file.read_bytes() for each in host.machines if each.file.exists()]
            return bytes(host.dice.choice(others))
        if host.history.near(now_s, frozenset({FaultKind.OLD_COPY})) and host.copies:
            return bytes(host.dice.choice(host.copies))
        return None
