"""CSV of what is shown: complete, in UTC, and nothing that a spreadsheet would run."""

import csv
import io
from dataclasses import replace

from tests.support.details import route_detail, target_detail
from tests.ui.test_incidents import incident
from ui import exports


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_decisions() -> None:
    """Those of a dry run too."""
    detail = route_detail()
    rows = _rows(exports.decisions(replace(detail, would_have=(replace(detail.moves[0], dry_run=True),))))
    assert [(row["at"], row["move"], row["dry run"]) for row in rows] == [
        ("2026-11-21T18:20:00.000Z", "least_bad", "no"),
        ("2026-11-21T18:20:00.000Z", "least_bad", "yes"),
    ]


def test_the_course_of_a_target() -> None:
    """Empty where nothing is known."""
    [row] = _rows(exports.course(target_detail()))
    assert (row["probes"], row["first token p50"], row["ended"]) == ("3", "", "2 ok, 1 server_error")
    assert 0.6 < float(row["served"]) < 0.7


def test_no_spreadsheet_runs_a_cell() -> None:
    """Whoever wrote it."""
    [row] = _rows(exports.incidents([incident('=HYPERLINK("http://x")')]))
    assert row["provider"].startswith("'=")
