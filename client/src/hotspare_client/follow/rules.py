"""What a follower does with a table that a node offers, how long it waits and how long it pauses (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime

from hotspare_client.heartbeat import heartbeat_age_s
from hotspare_client.table import Table

#: A long poll; the heartbeat that it brings is at most this much older than one that is asked for.
LONGEST_WAIT_S = 20.0
_SHORTEST_WAIT_S = 1.0
_LONGEST_PAUSE_S = 10.0
_FIRST_PAUSE_S = 0.5
#: Between two nodes, so that not all hosts of one that has died come to the next in the same instant.
_NEXT_NODE_S = 0.2
#: After an answer that came at once and brought nothing new: whoever gave it does not wait.
_UNCHANGED_APART_S = 1.0
#: After a change, so that a node that has told a thousand hosts is not asked by all of them in the same instant.
_CHANGED_APART_S = 0.1, 0.3
_OTHER_TOLD_S = 10.0
_SAME_TOLD_S = 300.0
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{1,200}"')


@dataclass(frozen=True)
class Verdict:
    """What is done with a table that was offered."""

    refusal: str = ""
    """Why it is not used, as a clause; empty when it is."""
    keeps_heartbeat: bool = False
    """The file gets the table with the heartbeat that it has already."""


@dataclass(frozen=True)
class Heartbeat:
    """The heartbeat of a table, and how old it was when it was seen last."""

    written_at: datetime
    age_s: float
    at_s: float
    """Monotonic."""

    def age_at_s(self, now_s: float) -> float:
        """How old it is by now."""
        return self.age_s + max(0.0, now_s - self.at_s)


def next_heartbeat(before: Heartbeat | None, written_at: datetime, *, wall_s: float, now_s: float) -> Heartbeat:
    """What is known of a heartbeat that is seen now, of the same source as the one before."""
    if before is not None and before.written_at == written_at:
        return Heartbeat(written_at, before.age_at_s(now_s), now_s)
    earlier, since_s = (before.written_at, now_s - before.at_s) if before else (None, 0.0)
    return Heartbeat(written_at, heartbeat_age_s(written_at, earlier, wall_s=wall_s, since_s=since_s), now_s)


def heartbeat_in(content: bytes) -> str:
    """The heartbeat of a table, as it is written."""
    return str(json.loads(content)["written_at"])


def with_heartbeat(content: bytes, written_at: str) -> bytes:
    """The table with another heartbeat, whatever that text is."""
    document = {**json.loads(content), "written_at": written_at}
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode(errors="replace")


def judge(offered: Table, held: Table | None, *, is_current: bool, is_stale: bool, reset: bool) -> Verdict:
    """Whether the file takes a table.

    `is_current`: its heartbeat is known to be no older than it may be. `is_stale`: that of the file is too old.
    `reset`: also one that is lower.

    - A lower (epoch, generation) is refused, so that no node that is behind takes a host back.
    - So is an older table of the same (epoch, generation): an old copy. Once the file is stale it is used if it is
      current: the clock of its writer was set back.
    - A higher one is used even when it is an old copy, and does not make the file look any younger.
    """
    if held is None:
        return Verdict()
    theirs, ours = (offered.epoch, offered.generation), (held.epoch, held.generation)
    if theirs < ours and not reset:
        return Verdict(
            f"it offers {place(offered)}, and the file has {place(held)}: it is behind, or was begun anew (see --reset)"
        )
    if theirs == ours and not is_current:
        return Verdict(stopped(offered))
    if theirs == ours and offered.written_at < held.written_at and not is_stale:
        return Verdict(f"it offers an older copy, of {offered.written_at:%Y-%m-%d %H:%M:%S}Z")
    return Verdict(keeps_heartbeat=not is_current and offered.written_at > held.written_at)


def stopped(offered: Table) -> str:
    """What is wrong with a node whose heartbeat is too old."""
    return f"its heartbeat is of {offered.written_at:%Y-%m-%d %H:%M:%S}Z: an old copy, or it has stopped"


def place(table: Table) -> str:
    """Where it is in the order of tables."""
    return f"epoch {table.epoch}, generation {table.generation}"


def wait_s(table: Table | None) -> float:
    """How long a node may wait for a change: a quarter of what a heartbeat is good for, so that some may be lost."""
    return min(LONGEST_WAIT_S, table.valid_for_s / 4) if table else 0.0


def next_longest_wait_s(longest_s: float, waited_s: float, *, cut: bool) -> float:
    """How long the next wait may be, after one that ended by itself, or was cut off, as by a proxy."""
    if cut and waited_s > _SHORTEST_WAIT_S:
        return max(_SHORTEST_WAIT_S, min(longest_s, waited_s / 2))
    return longest_s if cut else min(LONGEST_WAIT_S, longest_s + 1.0)


def pause_s(failures: int, nodes: int, draw: float) -> float:
    """Before the next node is asked, after so many failures in a row; `draw` is a random number from 0 to 1.

    A fifth of a second at most within a round of all nodes; after it 0.5 s, then twice as long each round up to 10 s,
    less up to a half of it.
    """
    rounds, further = divmod(failures, nodes)
    if further:
        return _NEXT_NODE_S * draw
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(rounds - 1, 10)) * (0.5 + draw / 2)


def apart_s(took_s: float, draw: float, *, changed: bool) -> float:
    """Before the same node is asked again, after an answer that took so long; `draw` is a random number from 0 to 1."""
    if changed:
        shortest_s, longest_s = _CHANGED_APART_S
        return shortest_s + (longest_s - shortest_s) * draw
    return max(0.0, _UNCHANGED_APART_S - took_s)


def is_told(text: str, before: str, since_s: float) -> bool:
    """Whether trouble with a node is told: at once, then every ten seconds if it changes, else every five minutes."""
    return since_s >= (_SAME_TOLD_S if text == before else _OTHER_TOLD_S)


def tag_of(header: str) -> str:
    """The ETag to send back; empty where it is none, or would not fit into a header."""
    return header if _TAG.fullmatch(header) else ""


def printable(text: str, longest: int = 300) -> str:
    """A text of others as one line of a log."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[:longest]}…"
