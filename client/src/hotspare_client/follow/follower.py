"""Keeps the file of this host at the table of whichever node answers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hotspare_client.follow import rules
from hotspare_client.follow.local_file import FileHeldError, LocalFile
from hotspare_client.follow.node import Answer, Node, NodeError
from hotspare_client.follow.rules import Heartbeat
from hotspare_client.table import Table, TableError, parse

_TICK_S = 1.0

Level = Literal["info", "warning", "error"]
Tell = Callable[..., None]
"""Is given the level, the event, a sentence, and what else belongs to it by name."""


@dataclass
class _Known:
    """What is known of one node."""

    node: Node
    tag: str = ""
    """Of the table in the file, where that is from this node."""
    heartbeat: Heartbeat | None = None
    """The last one that it offered."""
    told: str = ""
    """Why it was of no use, as it was last told, and when that was."""
    told_at_s: float = float("-inf")


class Follower:
    """One file, and the nodes that it may come from. Not thread-safe."""

    def __init__(
        self,
        nodes: Sequence[Node],
        file: LocalFile,
        *,
        tell: Tell,
        reset: bool = False,
        region: str = "",
        notify: Callable[[str], None] = lambda _: None,
        draw: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with the table that the file has. `reset`: the first table of a node is used, even a lower one.

        `region`: the only one whose tables are used; empty: those that nodes without regions have, or of all regions.
        `notify` is given words for systemd. Raises FileHeldError and OSError, as `LocalFile.open`.
        """
        self._nodes = [_Known(node) for node in nodes]
        self._file = file
        self._tell = tell
        self._reset = reset
        self._region = region
        self._notify = notify
        self._draw, self._wall, self._monotonic = draw, wall, monotonic
        self._place = self._failures = 0
        self._used: _Known | None = None
        """The node that was of use last."""
        self._content = b""
        """Of the file, as are the next two; empty while it has no table."""
        self._table: Table | None = None
        self._heartbeat: Heartbeat | None = None
        self._told_stale = self._told_ready = False
        self._file_trouble = ""
        self._next_tick_s = 0.0
        self._begin(file.open())

    def follow(self) -> None:
        """For ever."""
        while True:
            until_s = self._monotonic() + self.step()
            while (left_s := until_s - self._monotonic()) > 0:
                self.tick()
                time.sleep(min(left_s, _TICK_S))

    def once(self) -> bool:
        """Ask the nodes in turn until one gives, or confirms, a table that is current; whether one did."""
        for _ in self._nodes:
            self.step()
            if not self._failures:
                return True
        return False

    def step(self) -> float:
        """Ask one node; returns how long to pause before the next step, in seconds."""
        known, began_s = self._nodes[self._place], self._monotonic()
        try:
            answer = known.node.ask(known.tag, rules.wait_s(self._table), self.tick)
            changed = self._take(known, answer)
        except NodeError as error:
            return self._go_on(known, str(error))
        except (OSError, FileHeldError) as error:
            self._complain(error)
            known.tag, self._failures = "", self._failures + 1
            return rules.pause_s(self._failures, 1, self._draw())
        except Exception as error:  # noqa: BLE001 - whatever a node sends must not end its followers
            return self._go_on(known, f"what it sent cannot be used: {type(error).__name__}")
        self._failures, known.told = 0, ""
        if self._used not in (None, known):
            self._tell("info", "node_used", f"{known.node.address} is asked from now on", node=known.node.address)
        self._used = known
        self._tell_state(self._monotonic())
        return rules.apart_s(self._monotonic() - began_s, self._draw(), changed=changed)

    def tick(self) -> None:
        """What is due each second, also while a node is waited for: restore the file, and tell whether it is stale."""
        now_s = self._monotonic()
        if now_s < self._next_tick_s:
            return
        self._next_tick_s = now_s + _TICK_S
        self._notify("WATCHDOG=1")
        try:
            if done := self._file.restore():
                self._tell("warning", "file_restored", f"{self._file.path} {done} by someone else, and was restored")
        except (OSError, FileHeldError) as error:
            self._complain(error)
        self._tell_state(now_s)

    def _begin(self, content: bytes) -> None:
        try:
            table = parse(content)
        except TableError as error:
            if content:
                self._tell("warning", "file_not_used", f"{self._file.path} is not used: {error}")
            return
        self._content, self._table = content, table
        self._heartbeat = rules.next_heartbeat(None, table.written_at, wall_s=self._wall(), now_s=self._monotonic())
        self._tell_state(self._monotonic())

    def _take(self, known: _Known, answer: Answer) -> bool:
        """Use what a node said; whether there was more to it than a heartbeat. Raises NodeError, and as `write`."""
        content = self._content if answer.content is None else answer.content
        try:
            if answer.content is None and answer.written_at != rules.heartbeat_in(content):
                content = rules.with_heartbeat(content, answer.written_at)
            offered = parse(content)
        except TableError as error:
            raise NodeError(f"its table is not used: {error}") from None
        if self._region and offered.region != self._region:
            found = f"of the region {rules.printable(offered.region)!r}" if offered.region else "of no region"
            raise NodeError(f"its table is {found}; --region asks for {self._region}")
        now_s, held = self._monotonic(), self._table
        known.heartbeat = rules.next_heartbeat(known.heartbeat, offered.written_at, wall_s=self._wall(), now_s=now_s)
        is_current = known.heartbeat.age_s <= offered.valid_for_s
        verdict = rules.judge(offered, held, is_current=is_current, is_stale=self._is_stale(now_s), reset=self._reset)
        if verdict.refusal:
            raise NodeError(verdict.refusal)
        if verdict.keeps_heartbeat:
            content = rules.with_heartbeat(content, rules.heartbeat_in(self._content))
            offered = parse(content)
        if content != self._file.content:
            self._file.write(content)
            self._file_trouble = ""
        self._content, self._table, self._reset = content, offered, False
        if not verdict.keeps_heartbeat:
            self._heartbeat = known.heartbeat
        known.tag = answer.tag
        changed = self._tell_change(known, held, offered)
        if not is_current:
            raise NodeError(rules.stopped(offered))
        return changed

    def _go_on(self, known: _Known, text: str) -> float:
        """To the next node."""
        now_s = self._monotonic()
        if rules.is_told(text, known.told, now_s - known.told_at_s):
            self._tell("warning", "node_failed", f"{known.node.address}: {text}", node=known.node.address)
            known.told, known.told_at_s = text, now_s
        known.tag = ""
        if len(self._nodes) > 1:
            known.node.close()
        self._place = (self._place + 1) % len(self._nodes)
        self._failures += 1
        self._tell_state(now_s)
        return rules.pause_s(self._failures, len(self._nodes), self._draw())

    def _complain(self, error: OSError | FileHeldError) -> None:
        reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
        if reason != self._file_trouble:
            self._file_trouble = reason
            self._tell("error", "file_not_written", f"{self._file.path} cannot be written: {reason}")

    def _tell_change(self, known: _Known, held: Table | None, table: Table) -> bool:
        where = {"node": known.node.address, "epoch": table.epoch, "generation": table.generation}
        text = f"{rules.place(table)}, from {known.node.address}"
        if held is None or (held.epoch, held.generation) != (table.epoch, table.generation):
            self._tell("info", "table_changed", text, **where)
            return True
        changed = replace(held, written_at=table.written_at) != table
        if changed:
            self._tell(
                "info", "table_updated", f"{text}: the routes are the same, what is known of them changed", **where
            )
        return changed

    def _is_stale(self, now_s: float) -> bool:
        table, heartbeat = self._table, self._heartbeat
        return table is not None and heartbeat is not None and heartbeat.age_at_s(now_s) > table.valid_for_s

    def _tell_state(self, now_s: float) -> None:
        stale, heartbeat = self._is_stale(now_s), self._heartbeat
        if heartbeat is None:
            return
        if not self._told_ready:
            self._told_ready = True
            self._notify("READY=1")
        if stale == self._told_stale:
            return
        self._told_stale, age_s = stale, round(heartbeat.age_at_s(now_s))
        if stale:
            text = f"the heartbeat of {self._file.path} is {age_s} s old and no node confirms it; its routes stay"
            self._tell("warning", "stale", text, age_s=age_s)
        else:
            self._tell("info", "current", f"{self._file.path} is current again", age_s=age_s)
        self._notify(f"STATUS={'stale' if stale else 'current'}")
