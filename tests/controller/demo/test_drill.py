"""What the narrator learns from the service's database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.alerts.delivery import Receipt
from controller.alerts.delivery_store import DeliveryStore
from controller.demo.drill import read_facts
from controller.demo.narration import ServiceSnapshot
from controller.incidents.incident import Incident, IncidentKind, RouteImpact
from controller.journal import Journal
from monitor.health import Health, TargetHealth, Transition
from monitor.storage.database import open_reader, open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from probes.outcome import Outcome
from tests.support.builders import T0, observation

_LUNA = "openai/gpt-6-luna"
_NOW = T0 + timedelta(seconds=60)
_INCIDENT = Incident(
    id=0, provider="openai", kind=IncidentKind.OUTAGE, opened_at=T0, affected=(), timeline=(), routes=()
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    """The service's connection and the narrator's."""
    url = f"sqlite:///{tmp_path}/hotspare.db"
    writer = open_writer(url)
    reader = open_reader(url)
    yield writer, reader
    reader.dispose()
    writer.dispose()


def _transition(at_s: float, before: Health, after: Health) -> Transition:
    return Transition(target=_LUNA, at=T0 + timedelta(seconds=at_s), before=before, after=after, reason="why")


def _read(reader: Engine) -> ServiceSnapshot:
    return read_facts(Store(reader), Journal(reader), targets=[_LUNA], since=T0, now=_NOW)


def test_an_empty_database_has_no_facts(database: tuple[Engine, Engine]) -> None:
    """Before the first probe nothing is known, and that is no error."""
    facts = _read(database[1])
    assert facts == ServiceSnapshot(at=_NOW, observations={_LUNA: []}, transitions=[])


def test_facts_are_those_since_the_drill_began(database: tuple[Engine, Engine]) -> None:
    """What an earlier drill has left behind is not told again; the rest comes oldest first."""
    writer, reader = database
    store = Store(writer)
    state = TargetHealth(target=_LUNA, health=Health.SUSPECT, since=T0, reason="why", evidence=4.1, threshold=10.2)
    changes = [
        _transition(-5, Health.UNKNOWN, Health.UP),
        _transition(4, Health.UP, Health.SUSPECT),
        _transition(8, Health.SUSPECT, Health.DOWN),
    ]
    store.save_states([SavedTargetState(health=state, at=T0, record="{}")], changes)
    store.record([observation(".", at_s=-3), observation(".", at_s=1), observation("x", at_s=2)])
    facts = _read(reader)
    assert facts.health == {_LUNA: state}
    assert list(facts.transitions) == changes[1:]
    assert facts.observations[_LUNA][0].outcome is Outcome.OK
    assert [seen.started_at for seen in facts.observations[_LUNA]] == [T0 + timedelta(seconds=s) for s in (1, 2)]


def test_an_incident_is_over_when_it_is_resolved_and_told(database: tuple[Engine, Engine]) -> None:
    """Open and untold are counted apart: Slack may be behind what has happened."""
    writer, reader = database
    journal = Journal(writer)

    def counts() -> tuple[int, int]:
        facts = _read(reader)
        return facts.open_incidents, facts.undelivered_incidents

    (incident,) = journal.commit([], [_INCIDENT])
    assert counts() == (1, 1)
    DeliveryStore(writer, "slack").keep(Receipt(incidents=((incident.id, 1, 0),)))
    assert counts() == (1, 0)
    assert not _read(reader).stuck
    stuck = RouteImpact(route="chat", target=_LUNA, stuck=True)
    journal.commit([], [replace(incident, routes=(stuck,), revision=2)])
    assert _read(reader).stuck
    journal.commit([], [replace(incident, resolved_at=_NOW, revision=3)])
    assert counts() == (0, 1)
    DeliveryStore(writer, "slack").keep(Receipt(incidents=((incident.id, 3, 0),)))
    assert counts() == (0, 0)
