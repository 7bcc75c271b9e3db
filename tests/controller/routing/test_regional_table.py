"""The table of one region, of the table of all."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hotspare_client.table import parse

from controller.routing.decision import Decision, MoveKind
from controller.routing.regional_table import UnknownRegionError, table_of_region
from controller.routing.routing_file import RoutingFile, RoutingFileError, build_table
from monitor.health import Health
from tests.controller.routing.test_routing_file import check_schema
from tests.support.builders import in_regions, settings

REGIONS = ("eu", "us")
A, B = "openai/gpt", "anthropic/claude"
AT = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
#: A failback in steps in one region, the first candidate in the other.
ROUTES = {
    "chat@eu": Decision(
        route="chat@eu",
        target=f"{B}@eu",
        at=AT,
        reason=f"{A}@eu is back",
        move=MoveKind.STEP,
        weights=((f"{A}@eu", 10.0), (f"{B}@eu", 90.0)),
    ),
    "chat@us": Decision(route="chat@us", target=f"{A}@us", at=AT, reason="first", move=MoveKind.FIRST),
}


def table_of_all() -> dict[str, Any]:
    """Of two regions, in which one target is down in one of them."""
    configured = in_regions(settings(Path("/nowhere"), A, B), REGIONS)
    health = {f"{A}@eu": Health.DOWN, f"{A}@us": Health.UP}
    return build_table(configured, ROUTES, health, generation=7, epoch=3, written_at=AT, valid_for_s=90.0)


def test_each_region_has_its_routes_and_targets_by_their_plain_names() -> None:
    """What is the same for all stays; both tables are whole."""
    table = table_of_all()
    check_schema(table)
    assert list(table["routes"]) == ["chat@eu", "chat@us"]
    eu, us = (table_of_region(table, region) for region in REGIONS)
    for region, found in zip(REGIONS, (eu, us), strict=True):
        check_schema(found)
        assert parse(json.dumps(found).encode()).region == region
        assert (found["region"], found["epoch"], found["generation"]) == (region, 3, 7)
        assert (list(found["routes"]), sorted(found["targets"])) == (["chat"], [B, A])
        assert "regions" not in found
    assert eu["routes"]["chat"]["weights"] == {A: 10, B: 90}
    assert (eu["routes"]["chat"]["target"], us["routes"]["chat"]["target"]) == (B, A)
    assert eu["routes"]["chat"]["candidates"] == us["routes"]["chat"]["candidates"] == [A, B]
    assert (eu["targets"][A]["health"], us["targets"][A]["health"]) == ("down", "up")
    assert eu["routes"]["chat"]["reason"] == f"{A}@eu is back"


def test_a_table_without_regions_stays_as_it_is() -> None:
    """Whatever region is asked for: a machine alone serves all hosts."""
    table = {name: value for name, value in table_of_all().items() if name != "regions"}
    assert table_of_region(table, "eu") == table


def test_a_region_that_is_not_there() -> None:
    """Is told with those that are."""
    with pytest.raises(UnknownRegionError, match="'ap' is not a region of this table; known: eu, us"):
        table_of_region(table_of_all(), "ap")


def test_the_file_has_the_region_and_the_api_all(tmp_path: Path) -> None:
    """It is noticed when somebody changes it; a region that was taken out leaves it as it was."""
    path = tmp_path / "routing.json"
    file = RoutingFile(path, region="us")
    file.publish(table_of_all())
    assert file.read_table() == table_of_region(table_of_all(), "us")
    assert parse(file.content).points_at["chat@eu"].id == f"{B}@eu"
    assert file.find_tampering() is None
    with pytest.raises(RoutingFileError, match="'us' is not a region of this table; known: eu"):
        file.publish({**table_of_all(), "regions": ["eu"]})
    assert file.read_targets() == {"chat@us": f"{A}@us"}
    path.write_text("{}")
    assert file.find_tampering() == f"routing file {path} was changed by someone else"
