"""A cycle reviews the incidents that something concerns, and leaves what a review of all of them would leave."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, event

from controller.cycle.incident_tracking import IncidentMemory
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import Incident
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from monitor.config.route import Route
from monitor.connectivity.messages import NetworkLoss
from monitor.health import Health, TargetHealth
from monitor.status_pages.reading import VendorState, VendorStateChange
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support.incident_world import HAIKU, LETTERS, LUNA, MINI, NOON, seen, settings

GEMINI, NOVA = "gemini/flash", "bedrock/nova"
TARGETS = (LUNA, MINI, HAIKU, GEMINI, NOVA)
ROUTES = (Route(name="chat", candidates=(LUNA, HAIKU)), Route(name="bulk", candidates=(GEMINI, HAIKU)))
SETTINGS = settings(*TARGETS, routes=ROUTES)


class Memory:
    """An incident memory on a database of its own, and the incidents that it leaves there."""

    def __init__(self, path: Path) -> None:
        self.engine: Engine = open_writer(f"sqlite:///{path}")
        self.store, self.journal = Store(self.engine), Journal(self.engine)
        self.memory = IncidentMemory(self.store, self.journal)
        self.memory.resume(NOON)

    def incidents(self) -> list[Incident]:
        """Open, then resolved."""
        return [*self.journal.open_incidents(), *self.journal.resolved_since(NOON)]


class RandomWorld:
    """Health, routes and what else cycles are told, one random change after the other."""

    def __init__(self, seed: int) -> None:
        self.dice, self.now = Random(seed), NOON
        self.health: dict[str, TargetHealth] = {}
        self.routes = {route.name: self._decision(route, route.candidates[0]) for route in ROUTES}
        self.stuck: dict[str, str] = {}
        self.loss: NetworkLoss | None = None

    def next(self) -> tuple[CycleFacts, Sequence[VendorStateChange]]:
        """The facts of the next cycle, and what vendors said before it."""
        self.now += timedelta(seconds=self.dice.choice([0.5, 0.5, 20, 400, 1500]))
        decisions: list[Decision] = []
        for _ in range(self.dice.choice([0, 0, 1, 1, 2])):
            self._change_health()
        changed = frozenset(name for name, state in self.health.items() if state.since == self.now)
        if self.dice.random() < 0.1:
            route = self.dice.choice(ROUTES)
            decisions.append(self._decision(route, self.dice.choice(route.candidates)))
            self.routes[route.name] = decisions[0]
        if self.dice.random() < 0.1:
            self.stuck = {"chat": "it waits"} if not self.stuck else {}
        if self.dice.random() < 0.1:
            gone = NetworkLoss(since=self.now - timedelta(seconds=90), uncounted={"openai": 3})
            self.loss = gone if self.loss is None else None
        said = [self._report()] if self.dice.random() < 0.2 else []
        return self._facts(decisions, changed), said

    def _facts(self, decisions: Sequence[Decision], changed: frozenset[str]) -> CycleFacts:
        return CycleFacts(
            settings=SETTINGS,
            now=self.now,
            health=dict(self.health),
            routes=dict(self.routes),
            decisions=decisions,
            stuck=dict(self.stuck),
            loss=self.loss,
            changed=changed,
        )

    def _change_health(self) -> None:
        name, new = self.dice.choice(TARGETS), LETTERS[self.dice.choice("?UUUSdDDRM")]
        if name not in self.health or self.health[name].health is not new:
            self.health[name] = seen(name, new, self.now)

    def _decision(self, route: Route, target: str) -> Decision:
        before = self.routes[route.name].target if hasattr(self, "routes") else None
        return Decision(
            route=route.name, at=self.now, move=MoveKind.FAILOVER, before=before, target=target, reason="it failed"
        )

    def _report(self) -> VendorStateChange:
        state = self.dice.choice([VendorState.OPERATIONAL, VendorState.PARTIAL_OUTAGE])
        return VendorStateChange(provider=self.dice.choice(["openai", "gemini"]), at=self.now, state=state)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_what_is_reviewed_by_need_ends_as_what_is_reviewed_always(seed: int, tmp_path: Path) -> None:
    """Whatever changes from cycle to cycle: the same incidents with the same lines."""
    world, by_need, always = RandomWorld(seed), Memory(tmp_path / "need.db"), Memory(tmp_path / "always.db")
    for _ in range(60):
        facts, said = world.next()
        for memory in (by_need, always):
            for report in said:
                memory.store.record_vendor_report(report)
        by_need.memory.commit(facts)
        always.memory.commit(replace(facts, changed=None))
        assert by_need.incidents() == always.incidents()
    assert always.incidents()


def asked(memory: Memory, facts: CycleFacts) -> list[str]:
    """The statements of a cycle with these facts."""
    statements = list[str]()

    @event.listens_for(memory.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    memory.memory.commit(facts)
    event.remove(memory.engine, "before_cursor_execute", note)
    return [each for each in statements if not each.startswith(("PRAGMA", "BEGIN"))]


def down(at: datetime, *targets: str) -> CycleFacts:
    """All of these are down since noon."""
    health = {name: seen(name, Health.DOWN, NOON) for name in targets}
    routes = {route.name: Decision(route=route.name, at=NOON, target=MINI, reason="") for route in ROUTES}
    return CycleFacts(settings=SETTINGS, now=at, health=health, routes=routes, changed=frozenset(targets))


def test_open_incidents_cost_nothing_while_nothing_concerns_them(tmp_path: Path) -> None:
    """No statement: not even what vendors say is asked again, until one of them says something."""
    memory = Memory(tmp_path / "hotspare.db")
    memory.memory.commit(down(NOON, *TARGETS))
    assert len(memory.memory.open) == len({name.partition("/")[0] for name in TARGETS})
    still = replace(down(NOON + timedelta(seconds=5), *TARGETS), changed=frozenset())
    assert asked(memory, still) == []
    at = NOON + timedelta(seconds=6)
    report = VendorStateChange(provider="gemini", at=at, state=VendorState.PARTIAL_OUTAGE, headline="we see errors")
    memory.store.record_vendor_report(report)
    memory.memory.commit(replace(still, now=at))
    [told] = [incident for incident in memory.memory.open if incident.vendor and incident.vendor.said_at]
    assert (told.provider, told.vendor and told.vendor.headline) == ("gemini", "we see errors")
