"""Routing files that both clients read alike, and hostile ones that neither takes for a table."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Limits, Routing, Status

from tests.support.shared_cases import GOLDEN, Case, change_golden, load_cases, name_of, put_file

HAIKU = "anthropic/claude-haiku-5-5"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good routing file in a folder of its own."""
    path = tmp_path / "var" / "routing.json"
    path.parent.mkdir()
    path.write_bytes(GOLDEN.read_bytes())
    return path


def remove(path: Path) -> None:
    """Make the place of the file free again."""
    if path.parent.is_file():
        path.parent.unlink()
    elif path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)


def problem_of(case: Case, path: Path) -> str:
    """How the problem begins; the sentence of JSON's own parser is the language's."""
    return f"{case['problem']}{case.get('python', '')}".format(path=path)


@pytest.mark.parametrize("case", load_cases("routing_files"), ids=name_of)
def test_a_bad_file_leaves_the_last_good_table(path: Path, case: Case) -> None:
    """Whatever happens to the file, reads go on with the last good table, say why, and recover with the file."""
    now = 1000.0
    routing = Routing(path, check_every_s=0, monotonic=lambda: now)
    put_file(path, case["file"])
    for _ in range(2):
        target = routing.route("chat")
        assert target
        assert target.id == HAIKU
        assert is_said(case, path, routing.status.problem)
        now += 3
    assert routing.status.generation == 42
    remove(path)
    path.write_text(change_golden([(["generation"], 43)]))
    assert routing.status.generation == 43
    assert routing.status.problem is None


@pytest.mark.parametrize("case", load_cases("routing_files"), ids=name_of)
def test_a_bad_file_at_the_start_is_nothing_known_yet(path: Path, case: Case) -> None:
    """A reader that has never seen a good file knows nothing, says why, and begins to work once there is one."""
    put_file(path, case["file"])
    routing = Routing(path, check_every_s=0)
    assert routing.route("chat") is None
    assert routing.candidates("chat") == ()
    status = routing.status
    assert status == Status(problem=status.problem)
    assert is_said(case, path, status.problem)
    remove(path)
    path.write_bytes(GOLDEN.read_bytes())
    assert routing.route("chat")


def is_said(case: Case, path: Path, problem: str | None) -> bool:
    """Whether the problem is the one of the case."""
    expected = problem_of(case, path)
    return problem is not None and (problem.startswith(expected) if expected.endswith(": ") else problem == expected)


@pytest.mark.parametrize("case", load_cases("routes"), ids=name_of)
def test_a_good_file_gives_its_targets(path: Path, case: Case) -> None:
    """All candidates in their order, with what the file knows, and the share of draws that the weights say."""
    path.write_text(change_golden(case["set"]))
    draw = 0.0
    routing = Routing(path, draw=lambda: draw)
    assert routing.status.problem is None
    candidates = routing.candidates("chat")
    assert [each.id for each in candidates] == [each["id"] for each in case["candidates"]]
    for target, fields in zip(candidates, case["candidates"], strict=True):
        found = {name: getattr(target, name) for name in fields}
        assert found == {name: read(name, value) for name, value in fields.items()}
    for text, expected in case["draws"].items():
        draw = float(text)
        drawn = routing.route("chat")
        assert drawn
        assert drawn.id == expected, text


def read(name: str, value: Any) -> Any:
    """A value of the table as a target holds it."""
    if name == "limits":
        return Limits(**value)
    if name == "since":
        return datetime.fromisoformat(value)
    return pytest.approx(value) if isinstance(value, float) else value
