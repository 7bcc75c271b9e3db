"""Probes that are lost or stored twice, and wrong sums, are found; a killed service may lose its latest probes."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.drills.service.stored_probes import compare_probes, wrong_sums
from benchmarks.reliability.servers import Answer
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.servers import NOW

_TABLES: Final = ("observations", "rollups", "spending")


def _answer(number: int, at_s: float, key: str = "first") -> Answer:
    return Answer(request_id=f"answer-{number}", key=key, target="one/a", status=200, at_s=at_s, at_ms=int(1000 * at_s))


def _row(number: int | None, **changes: Any) -> dict[str, Any]:
    row = {"request_id": number and f"answer-{number}", "target": "one/a", "http_status": 200}
    return {**row, "started_ms": 0, "duration_s": 0.1, **changes}


_ANSWERS: Final = (_answer(1, 1.0), _answer(2, 2.0), _answer(3, 2.5))


def test_only_the_latest_may_be_lost() -> None:
    """With their age; a service that was killed had not learnt of them."""
    found = compare_probes(_ANSWERS, [_row(1), _row(2)], promised=["answer-1"])
    assert (found.stored, found.lost_s, found.wrong) == (2, [0.0], [])
    found = compare_probes(_ANSWERS, [_row(1)], promised=[])
    assert (found.lost_s, found.wrong) == ([0.5, 0.0], [])


@pytest.mark.parametrize(
    ("rows", "promised", "wrong"),
    [
        ([_row(2), _row(3)], [], "answer-1 is lost; one that came 1.5 s later is stored"),
        ([_row(1), _row(2)], ["answer-3"], "answer-3 is lost, and lay beside the routing file"),
        ([_row(1), _row(2), _row(3), _row(2, started_ms=7)], [], "answer-2 is stored 2 times"),
        ([_row(1), _row(2), _row(3), _row(4)], [], "answer-4 is stored, and nobody answered so"),
        ([_row(1), _row(2), _row(3, http_status=500)], [], "is stored as one/a, 500"),
    ],
)
def test_what_is_wrong_is_found(rows: Sequence[dict[str, Any]], promised: Sequence[str], wrong: str) -> None:
    """One thing in each."""
    [text] = compare_probes(_ANSWERS, rows, promised).wrong
    assert text.endswith(wrong)


def test_what_waits_or_was_given_up_is_not_lost() -> None:
    """Beside the routing file; or stored as a timeout, without the answer that came too late."""
    timeout = _row(None, started_ms=900, http_status=None, duration_s=0.5)
    found = compare_probes(_ANSWERS, [timeout, _row(3)], promised=["answer-2"], waiting=["answer-2"])
    assert (found.lost_s, found.wrong) == ([], [])


def test_each_service_is_looked_at_alone() -> None:
    """Those of one are no later than those of another."""
    answers = [_answer(1, 1.0), _answer(2, 2.0), _answer(3, 9.0, key="second")]
    assert compare_probes(answers, [_row(1), _row(3)], promised=[]).wrong == []


def test_a_service_that_stores_nothing_is_found() -> None:
    """However long it runs."""
    answers = [_answer(number, float(number)) for number in range(1, 14)]
    found = compare_probes(answers, [], promised=[])
    assert found.wrong == [
        "answer-1 is lost, 12.0 s before the last answer",
        "answer-2 is lost, 11.0 s before the last answer",
    ]


def _observations() -> list[Observation]:
    def observed(number: int, outcome: Outcome, at: datetime = NOW, **more: Any) -> Observation:
        return Observation(
            target="one/a",
            check="chat",
            started_at=at + timedelta(seconds=number),
            outcome=outcome,
            duration_s=0.1,
            **more,
        )

    return [
        observed(1, Outcome.OK, input_tokens=17, output_tokens=6, cost_usd=0.5),
        observed(2, Outcome.OVERLOADED),
        observed(3, Outcome.TIMEOUT, failed_here=True),
        observed(4, Outcome.SLOW, at=NOW - timedelta(hours=1)),
    ]


def _tables(database: Path) -> list[list[sqlite3.Row]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [connection.execute(f"SELECT * FROM {name}").fetchall() for name in _TABLES]  # noqa: S608 - our own names


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("SELECT 1", 0),
        ("DELETE FROM observations WHERE outcome = 'overloaded'", 3),
        ("UPDATE rollups SET input_tokens = 2 * input_tokens WHERE span_s = 3600", 1),
        ("UPDATE rollups SET failed_here = 0 WHERE span_s = 86400", 1),
        ("UPDATE spending SET probes = probes + 1", 1),
        ("DELETE FROM rollups", 3),
    ],
)
def test_sums_that_are_off_are_found(tmp_path: Path, statement: str, wrong: int) -> None:
    """An hour, a day, or what was spent; all is well as the store leaves it."""
    database = tmp_path / "hotspare.db"
    engine = open_writer(f"sqlite:///{database}")
    Store(engine).record(_observations())
    engine.dispose()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)
    assert len(list(wrong_sums(*_tables(database)))) == wrong
