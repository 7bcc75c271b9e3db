"""Windows of maintenance and freezes: when they begin and end, and what cannot be one."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.config.windows import FreezeWindow, Moment
from tests.support.configurations import ENVIRON, problems_of, write

BERLIN = "Europe/Berlin"


def window(begin: str, end: str, zone: str = BERLIN) -> FreezeWindow:
    """From then to then."""
    return FreezeWindow(begin=Moment.parse(begin), end=Moment.parse(end), zone=zone)


def loaded(folder: Path, **window: Any) -> Settings:
    """A configuration with this freeze."""
    return load(write(folder, freeze={"sale": window}), ENVIRON)


@pytest.mark.parametrize(
    ("begin", "end", "day", "begins", "ends"),
    [
        pytest.param("10:00", "12:00", date(2026, 7, 1), (1, 8, 0), (1, 10, 0), id="in summer"),
        pytest.param("22:00", "02:00", date(2026, 7, 1), (1, 20, 0), (2, 0, 0), id="over midnight"),
        pytest.param("01:30", "03:30", date(2026, 3, 29), (29, 0, 30), (29, 1, 30), id="the hour that is left out"),
        pytest.param("02:10", "02:50", date(2026, 3, 29), (29, 0, 10), (29, 1, 50), id="within that hour"),
        pytest.param("02:30", "03:10", date(2026, 3, 29), (29, 0, 30), (29, 1, 10), id="begins within that hour"),
        pytest.param("01:50", "02:20", date(2026, 3, 29), (29, 0, 50), (29, 1, 20), id="ends within that hour"),
        pytest.param("01:30", "02:30", date(2026, 10, 25), (24, 23, 30), (25, 1, 30), id="the hour that comes twice"),
    ],
)
def test_the_instants_of_a_window(
    begin: str, end: str, day: date, begins: tuple[int, int, int], ends: tuple[int, int, int]
) -> None:
    """By the wall clock of its zone, and never before it begins, also in the nights when clocks change."""
    expected = tuple(datetime(day.year, day.month, *parts, tzinfo=UTC) for parts in (begins, ends))
    assert window(begin, end).instants(day) == expected


def test_a_window_of_a_date(tmp_path: Path) -> None:
    """Once; of every route unless it says otherwise."""
    [sale] = loaded(tmp_path, **{"from": "2026-12-24 18:00", "to": "2026-12-27 06:00", "zone": BERLIN}).freeze
    assert (sale.name, sale.of) == ("sale", "all")
    expected = (datetime(2026, 12, 24, 17, tzinfo=UTC), datetime(2026, 12, 27, 5, tzinfo=UTC))
    assert sale.instants(date(2026, 12, 24)) == expected


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"to": "2026-12-24 17:00"}, "the window would end before it begins"),
        ({"to": "2026-12-24 18:00"}, "the window would end before it begins"),
        ({"to": "20:00"}, "must have a date where from has one"),
        ({"to": "2026-02-30 20:00"}, "2026-02-30 20:00 is no day of the calendar"),
        ({"to": "tomorrow"}, "is not a time of day"),
        ({"from": "18:00", "to": "18:00"}, "is the same as from"),
        ({"day": "monday"}, "does not go with a date"),
        ({"zone": "Europe/Atlantis"}, "is not a time zone"),
        ({"of": "chta"}, "'chta' is not a route, or all; did you mean 'chat'?"),
    ],
)
def test_what_is_no_window(tmp_path: Path, changes: dict[str, str], problem: str) -> None:
    """Each with a sentence that names the place."""
    good = {"from": "2026-12-24 18:00", "to": "2026-12-27 06:00"}
    [found] = problems_of(write(tmp_path, freeze={"sale": {**good, **changes}}))
    assert problem in found
    assert "freeze.sale" in found


def test_routes_leave_at_most_a_day_before(tmp_path: Path) -> None:
    """And maintenance is of what is there."""
    work = {"of": "opnai", "from": "22:00", "to": "02:00", "leave": "2d"}
    first, second = problems_of(write(tmp_path, maintenance={"work": work}))
    assert "2d is longer than 1d" in f"{first}{second}"
    assert "'opnai' is not a target or a provider; did you mean 'openai'?" in f"{first}{second}"
