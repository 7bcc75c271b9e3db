"""Whether each probe that was answered is stored, once, and whether the sums are those of what is stored.

A service stores in each control cycle what has arrived by then, and so loses only the latest probes when it is killed;
what waits in the file beside the routing file is not lost.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.reliability.servers import Answer

#: A probe is over half a second after its answer at the latest, and a cycle begins half a second after that: with an
#: answer that came so much later, it was in the same cycle or in an earlier one.
_LATER_S: Final = 1.0
#: Beside other work than ours a cycle may take seconds.
_LONGEST_CYCLE_S: Final = 10.0
_SPANS_MS: Final = (3_600_000, 86_400_000)
_DAY_MS: Final = _SPANS_MS[-1]
_ANSWERED: Final = frozenset({"ok", "slow"})

_Row = Mapping[str, Any] | sqlite3.Row
_Key = tuple[object, ...]


@dataclass(kw_only=True)
class StoredProbes:
    """What was found."""

    stored: int = 0
    lost_s: list[float] = field(default_factory=list)
    """Of each answer that was lost as its service died: how long before the last answer that the service got."""
    wrong: list[str] = field(default_factory=list)


def check_probes(
    database: sqlite3.Connection,
    answers: Iterable[Answer],
    promised: Collection[str] = (),
    waiting: Collection[str] = (),
    *,
    ahead_s: int = 0,
) -> StoredProbes:
    """As `compare_probes`, with the sums of what is stored; rows have names.

    `ahead_s`: so far the service's clock was ahead of the providers'.
    """
    rows = [dict(row) for row in database.execute("SELECT * FROM observations")]
    rollups = database.execute("SELECT * FROM rollups").fetchall()
    spending = database.execute("SELECT * FROM spending").fetchall()
    told = [{**row, "started_ms": row["started_ms"] - 1000 * ahead_s} for row in rows]
    found = compare_probes(answers, told, promised, waiting)
    found.wrong += wrong_sums(rows, rollups, spending)
    return found


def compare_probes(
    answers: Iterable[Answer], rows: Sequence[_Row], promised: Collection[str], waiting: Collection[str] = ()
) -> StoredProbes:
    """Compare what providers answered with the stored observations.

    `promised`: the request ids of what lay beside the routing file as a service died; `waiting`: of what lies there
    now, for a later service to store.
    """
    by_id = {answer.request_id: answer for answer in answers}
    times = Counter(row["request_id"] for row in rows if row["request_id"])
    found = StoredProbes(stored=len(rows))
    found.wrong += [f"{request_id} is stored {count} times" for request_id, count in times.items() if count > 1]
    found.wrong += [text for row in rows if row["request_id"] for text in _differs(row, by_id.get(row["request_id"]))]
    kept = times.keys() | waiting
    found.wrong += [f"{each} is lost, and lay beside the routing file" for each in sorted({*promised} - kept)]
    given_up = [row for row in rows if not row["request_id"]]
    of_services: dict[str, list[Answer]] = defaultdict(list)
    for answer in by_id.values():
        of_services[answer.key].append(answer)
    for each in of_services.values():
        newest_s = max((answer.at_s for answer in each if answer.request_id in kept), default=0.0)
        last_s = max(answer.at_s for answer in each)
        for answer in each:
            if answer.request_id in kept or any(_was_given_up(answer, row) for row in given_up):
                continue
            found.lost_s.append(last_s - answer.at_s)
            if newest_s - answer.at_s > _LATER_S:
                later_s = newest_s - answer.at_s
                found.wrong.append(f"{answer.request_id} is lost; one that came {later_s:.1f} s later is stored")
            elif found.lost_s[-1] > _LONGEST_CYCLE_S:
                found.wrong.append(f"{answer.request_id} is lost, {found.lost_s[-1]:.1f} s before the last answer")
    return found


def _differs(row: _Row, answer: Answer | None) -> Iterator[str]:
    if answer is None:
        yield f"{row['request_id']} is stored, and nobody answered so"
    elif (row["target"], row["http_status"]) != (answer.target, answer.status):
        yield f"{answer} is stored as {row['target']}, {row['http_status']}"


def _was_given_up(answer: Answer, row: _Row) -> bool:
    """Whether this may be the probe that got the answer too late."""
    over_ms = row["started_ms"] + 1000 * row["duration_s"]
    return bool(row["target"] == answer.target and row["started_ms"] <= answer.at_ms <= over_ms + 1000 * _LATER_S)


def wrong_sums(observations: Sequence[_Row], rollups: Iterable[_Row], spending: Iterable[_Row]) -> Iterator[str]:
    """Where the sums of an hour or a day, or the probes of a day, are not those of the observations."""
    sums: dict[_Key, Counter[str]] = defaultdict(Counter)
    days: dict[_Key, Counter[str]] = defaultdict(Counter)
    for row in observations:
        for span_ms in _SPANS_MS:
            start_ms = row["started_ms"] // span_ms * span_ms
            sums[row["target"], span_ms // 1000, start_ms, row["check_"], row["region"]] += _counts(row)
        unpriced = int(row["cost_usd"] is None)
        days[row["target"], row["started_ms"] // _DAY_MS * _DAY_MS] += Counter(probes=1, unpriced=unpriced)
    summed: dict[_Key, Counter[str]] = {
        (row["target"], row["span_s"], row["start_ms"], row["check_"], row["region"]): _summed(row) for row in rollups
    }
    spent: dict[_Key, Counter[str]] = {
        (row["target"], row["day_ms"]): +Counter(probes=row["probes"], unpriced=row["unpriced"]) for row in spending
    }
    yield from _differences("the sums", sums, summed)
    yield from _differences("the spending", days, spent)


def _counts(row: _Row) -> Counter[str]:
    """What one observation adds."""
    counts = Counter(
        input_tokens=row["input_tokens"] or 0,
        output_tokens=row["output_tokens"] or 0,
        unpriced=int(row["cost_usd"] is None),
    )
    if row["failed_here"]:
        counts["failed here"] = 1
    else:
        counts[row["outcome"]] = 1
        counts["durations"] = int(row["outcome"] in _ANSWERED)
    return +counts


def _summed(row: _Row) -> Counter[str]:
    counts = Counter(
        {
            "failed here": row["failed_here"],
            "durations": sum(json.loads(row["duration"]).values()),
            **{name: row[name] for name in ("input_tokens", "output_tokens", "unpriced")},
            **json.loads(row["asked"]),
        }
    )
    return +counts


def _differences(what: str, expected: Mapping[_Key, Counter[str]], found: Mapping[_Key, Counter[str]]) -> Iterator[str]:
    for key in expected.keys() | found.keys():
        if (wanted := expected.get(key, Counter())) != (got := found.get(key, Counter())):
            yield f"{what} of {key} are {dict(got)}, the observations make {dict(wanted)}"
