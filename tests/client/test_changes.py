"""Callbacks when a route moves."""

import gc
import logging
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing, Target
from hotspare_client.changes import find_changes
from hotspare_client.table import Table, parse

from tests.support.routes import FIRST, SECOND, open_route, write_route
from tests.support.shared_cases import Case, load_cases, name_of

Change = tuple[str, str | None, str | None]


class Heard:
    """A callback that keeps what it was told."""

    def __init__(self) -> None:
        self.changes: queue.Queue[Change] = queue.Queue()

    def __call__(self, route: str, before: Target | None, now: Target | None) -> None:
        self.changes.put((route, before.id if before else None, now.id if now else None))

    def next(self) -> Change:
        """The next change, soon."""
        return self.changes.get(timeout=30)


def table_of(path: Path, *, target: str, **fields: Any) -> Table:
    """The table of a file that a case describes."""
    route, weights = fields.pop("route", "chat"), fields.pop("weights", {target: 100})
    targets = {f"{name}/m": each for name, each in fields.pop("targets", {"alpha": {}, "beta": {}}).items()}
    shares = {f"{name}/m": weight for name, weight in weights.items()}
    write_route(path, target=f"{target}/m", targets=targets, weights=shares, **fields)
    return parse(path.read_bytes().replace(b'"chat"', f'"{route}"'.encode()))


@pytest.mark.parametrize("case", load_cases("changes"), ids=name_of)
def test_a_change_is_a_target_or_shares(tmp_path: Path, case: Case) -> None:
    """The same in JavaScript."""
    path = tmp_path / "routing.json"
    before = table_of(path, **case["before"]) if case["before"] else None
    found = find_changes(before, table_of(path, **case["now"]))
    named = [[name, *(each.provider if each else None for each in targets)] for name, *targets in found]
    assert named == case["changes"]


@pytest.mark.slow
def test_a_callback_hears_of_every_move(tmp_path: Path) -> None:
    """Of a new target, new shares, and of a route that comes and goes; not of health alone."""
    path, heard = tmp_path / "routing.json", Heard()
    routing = Routing(path)
    end = routing.on_change(heard)
    write_route(path)
    assert heard.next() == ("chat", None, FIRST)
    write_route(path, targets={FIRST: {"health": "suspect"}, SECOND: {}})
    write_route(path, target=SECOND)
    assert heard.next() == ("chat", FIRST, SECOND)
    write_route(path, target=SECOND, weights={FIRST: 10, SECOND: 90})
    assert heard.next() == ("chat", SECOND, SECOND)
    path.write_bytes(b"noise")
    path.write_text((tmp_path / "routing.json").read_text(errors="replace"))
    write_route(path)
    path.write_text(path.read_text().replace('"chat"', '"other"'))
    changes = {heard.next(), heard.next()}
    if ("chat", SECOND, FIRST) in changes:
        changes = {*changes, heard.next()} - {("chat", SECOND, FIRST)}
    assert ("other", None, FIRST) in changes
    end()
    end()
    write_route(path, target=SECOND)
    wait_for_threads()
    assert heard.changes.empty()


def wait_for_threads() -> None:
    """Until nobody watches any more."""
    deadline = time.monotonic() + 30
    while any(thread.name == "hotspare-changes" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_callback_that_raises_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the others are called, this one again at the next change, and reads go on."""
    routing, heard = open_route(tmp_path), Heard()

    def failing(*_: Any) -> None:
        raise SystemExit("of the application")

    with caplog.at_level(logging.ERROR, "hotspare_client"):
        ends = [routing.on_change(failing), routing.on_change(heard)]
        for target in (SECOND, FIRST):
            write_route(tmp_path / "routing.json", target=target)
            assert heard.next()[2] == target
            found = routing.route("chat")
            assert found
            assert found.id == target
    assert [record.getMessage() for record in caplog.records] == ["a callback for changes of route 'chat' failed"] * 2
    for end in ends:
        end()
    wait_for_threads()


@pytest.mark.slow
def test_the_thread_ends_with_its_reader(tmp_path: Path) -> None:
    """A reader that nobody holds any more is not kept alive."""
    open_route(tmp_path).on_change(Heard())
    gc.collect()
    wait_for_threads()


@pytest.mark.slow
def test_a_forked_child_goes_on_hearing(tmp_path: Path) -> None:
    """From its next read on, because a fork takes no threads along."""
    routing, heard = open_route(tmp_path), Heard()
    end = routing.on_change(heard)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            routing.route("chat")
            write_route(tmp_path / "routing.json", target=SECOND)
            status = 0 if heard.next() == ("chat", FIRST, SECOND) else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert heard.next() == ("chat", FIRST, SECOND)
    end()
    wait_for_threads()
