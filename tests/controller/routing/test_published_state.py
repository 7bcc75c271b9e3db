"""The published file as evidence, whatever somebody has made of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.routing.decision import Decision, MoveKind
from controller.routing.published_state import NOTHING_PUBLISHED, PublishedState, newer_routes, read_published
from controller.routing.routing_file import build_table
from monitor.config.settings import Settings
from monitor.health import Health
from tests.support.builders import T0, settings

A, C = "openai/a", "anthropic/c"
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)
WANTED = settings(Path(), A, C)
MOVED = Decision(
    route="chat", target=C, at=T0, reason="openai/a is down", move=MoveKind.FAILOVER, before=A, generation=5
)


def table(wanted: Settings = WANTED, **changed: Any) -> dict[str, Any]:
    """A file that says so."""
    health = {A: Health.DOWN, C: Health.UP}
    built = build_table(wanted, {"chat": MOVED}, health, generation=5, written_at=T0, valid_for_s=90)
    return {**built, **changed}


def test_it_says_where_routes_are_and_what_is_unhealthy() -> None:
    """All that a service without a database needs to stay where users are."""
    published = read_published(table(), WANTED, T0)
    assert published == PublishedState(generation=5, written_at=T0, routes={"chat": MOVED}, unhealthy={A: Health.DOWN})


@pytest.mark.parametrize(
    ("fields", "epoch"), [({}, 0), ({"epoch": 7}, 7), ({"epoch": 7, "generation": 0}, 7), ({"epoch": "7"}, 0)]
)
def test_its_epoch(fields: dict[str, Any], epoch: int) -> None:
    """No epoch, or what is none, counts as 0."""
    assert read_published(table(**fields), WANTED, T0).epoch == epoch


def test_no_instant_of_it_is_in_the_future() -> None:
    """The clock was set back since."""
    published = read_published(table(), WANTED, T0 - timedelta(days=1))
    assert published.written_at == published.routes["chat"].at == T0 - timedelta(days=1)


@pytest.mark.parametrize(
    "changed",
    [
        *({"generation": generation} for generation in (2**70, True, 0)),
        {"routes": []},
        {"routes": {"chat": {"target": "x/y"}}},
        {"dry_run": True},
    ],
)
def test_what_it_cannot_say_moves_nothing(changed: dict[str, Any]) -> None:
    """Edited by hand, of another configuration, or of a dry run: no route is taken from it."""
    assert read_published(table(**changed), WANTED, T0).routes == {}


@given(_ANYTHING)
def test_any_json_is_read_without_a_fault(anything: Any) -> None:
    """Nobody knows who wrote it."""
    whole = {"epoch": anything, "generation": 1, "routes": anything, "targets": anything, "written_at": anything}
    assert read_published(whole, WANTED, T0).routes == {}
    deep = {"generation": 1, "routes": {"chat": anything}, "targets": {A: anything}}
    read_published(deep, WANTED, T0)
    for key in ("target", "since", "reason", "weights"):
        read_published(table(routes={"chat": {"target": C, key: anything}}), WANTED, T0)


@pytest.mark.parametrize(
    ("journalled", "generation", "taken"),
    [
        ({}, 0, True),
        ({"chat": MOVED}, 5, False),
        ({"chat": Decision(route="chat", target=A, at=T0, reason="", generation=3)}, 3, True),
        ({"chat": Decision(route="chat", target=A, at=T0, reason="", generation=6)}, 6, False),
    ],
    ids=["a new database", "the same", "an older backup", "a move that was not published"],
)
def test_who_knows_better(journalled: dict[str, Decision], generation: int, taken: bool) -> None:
    """The file where the journal lacks what it says; else the journal."""
    published = read_published(table(), WANTED, T0)
    assert newer_routes(published, journalled, generation) == ({"chat": MOVED} if taken else {})
    assert newer_routes(NOTHING_PUBLISHED, journalled, generation) == {}
