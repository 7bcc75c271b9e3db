"""Thresholds are kept across runs, by any number of processes, and a file that is of no use is none."""

from pathlib import Path

import pytest

from monitor.storage.threshold_file import ThresholdFile


def test_what_one_process_finds_the_next_one_knows(tmp_path: Path) -> None:
    """To the last digit; both may write."""
    path = tmp_path / "cache" / "thresholds"
    first, second = ThresholdFile(path), ThresholdFile(path)
    first["a"], second["b"] = 10.884375, 16.0
    assert ThresholdFile(path) == {"a": 10.884375, "b": 16.0}


@pytest.mark.parametrize("content", ["", "a", "a b\n\x00\xff", "a 1.5\nb 2."])
def test_lines_that_are_none_are_left_out(tmp_path: Path, content: str) -> None:
    """Such as one that another process has not written to its end."""
    path = tmp_path / "thresholds"
    path.write_text(content, encoding="latin-1")
    assert ThresholdFile(path).keys() <= {"a", "b"}


def test_without_a_place_for_it_thresholds_are_kept_for_this_run(tmp_path: Path) -> None:
    """A cache that cannot be made is no error."""
    (tmp_path / "file").touch()
    kept = ThresholdFile(tmp_path / "file" / "thresholds")
    kept["a"] = 1.0
    assert kept == {"a": 1.0}
