"""How long what was observed is kept: durations, or for ever."""

from math import inf
from pathlib import Path

import pytest

from monitor.config.loader import load
from tests.support.configurations import ENVIRON, problems_of, write


def test_forever_is_a_duration(tmp_path: Path) -> None:
    """As the default of the days is, and for the hours where somebody wants it."""
    kept = load(write(tmp_path, retention={"hour": "forever"}), ENVIRON).retention
    assert (kept.raw_s, kept.hour_s, kept.day_s) == (14 * 86_400.0, inf, inf)
    kept = load(write(tmp_path, retention={"hour": "90d", "day": "3650d"}), ENVIRON).retention
    assert (kept.hour_s, kept.day_s) == (90 * 86_400.0, 3650 * 86_400.0)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("hour", "1h", "1h is too short; the shortest is 1d"),
        ("day", "always", "or forever"),
        ("raw", "forever", "is not a duration such as"),
    ],
)
def test_what_is_no_retention_is_refused(tmp_path: Path, key: str, value: str, problem: str) -> None:
    """With the place, and what was expected."""
    (found,) = problems_of(write(tmp_path, retention={key: value}))
    assert f"retention.{key}" in found
    assert problem in found
