"""Control cycles over several regions: what moves, and what people are told of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from controller.alerts.slack.incident_message import headline_of
from controller.incidents.incident import Incident
from tests.controller.cycle.test_cycle import Stage
from tests.support.builders import in_regions, observation, settings

A, B = "openai/a", "anthropic/c"
REGIONS = ("eu", "us", "ap")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Two providers, probed from three regions, with a route in each."""
    stage = Stage(in_regions(settings(tmp_path, A, B), REGIONS))
    yield stage
    stage.close()


def play(stage: Stage, seen: Mapping[str, str], *, rounds: int = 8) -> list[Incident]:
    """Rounds of probes of the first target, which end in each region as its symbol says; the incidents there are."""
    for number in range(rounds):
        for place, region in enumerate(REGIONS):
            at_s = 30.0 * number + 10.0 * place
            ends = {A: seen[region], B: "."}
            stage.run(*(observation(ends[name], at_s=at_s, name=f"{name}@{region}") for name in (A, B)), now_s=at_s + 1)
    return stage.journal.open_incidents()


def points_at(stage: Stage) -> dict[str, str]:
    """Where the routes point, by the table of all regions."""
    return {name: route["target"] for name, route in stage.table()["routes"].items()}


def test_an_outage_that_all_regions_see_is_one_incident(stage: Stage) -> None:
    """Every route moves, and people are told once, whoever saw it first."""
    [incident] = play(stage, dict.fromkeys(REGIONS, "x"))
    assert points_at(stage) == {f"chat@{region}": f"{B}@{region}" for region in REGIONS}
    assert {affected.target for affected in incident.affected} == {f"{A}@{region}" for region in REGIONS}
    assert {impact.route for impact in incident.routes} == {f"chat@{region}" for region in REGIONS}
    assert headline_of(incident) == "🔴 openai: 3 targets down (in ap, eu, us)"


def test_what_one_region_sees_moves_its_route_alone(stage: Stage) -> None:
    """However long it lasts; the incident names what is down, and where."""
    [incident] = play(stage, {"eu": "x", "us": ".", "ap": "."}, rounds=20)
    assert points_at(stage) == {"chat@eu": f"{B}@eu", "chat@us": f"{A}@us", "chat@ap": f"{A}@ap"}
    assert [affected.target for affected in incident.affected] == [f"{A}@eu"]
    assert headline_of(incident) == "🔴 openai/a@eu is down"
