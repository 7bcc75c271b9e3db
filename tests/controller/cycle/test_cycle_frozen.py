"""The cycle of a leader while its database cannot be written: nothing is decided, the table is kept fresh."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from controller.journal import Journal
from monitor.health import Health
from monitor.storage.buffered_store import BufferedStore
from monitor.storage.database import DatabaseError
from monitor.storage.lease_fence import LEADER, HeldLease, LeaseFence
from monitor.storage.postgres_writer import PostgresWriter
from monitor.storage.writer_database import WriterDatabase
from tests.controller.cycle.test_cycle_outage import MOVED_S, OUTAGE, QUIET, A, B, C, Stage
from tests.support.builders import T0, settings
from tests.support.postgres import PostgresServer


class LeadingStage(Stage):
    """A service's cycle that leads under epoch 3."""

    fence = LeaseFence(HeldLease(LEADER, "me", 3))

    def new_database(self) -> WriterDatabase:
        """As of `Stage`, fenced."""
        return PostgresWriter(self.settings.database, monotonic=lambda: self.now_s, busy_s=0.01, fence=self.fence)

    def go_on(self, at_s: float) -> None:
        """As of `Stage`."""
        self.shared: list[int] = []
        super().go_on(at_s)
        self.store, self.journal = BufferedStore(self.database), Journal(self.database.engine, self.fence)
        self.cycle.publisher.epoch = 3
        self.cycle.publisher.share = lambda table: self.shared.append(table["generation"])

    def lose_answer_to_next_decision(self) -> None:
        """The transaction with the next decision is committed, and the connection is lost instead of an answer."""
        decided, lost = len(self.journal.decisions()), False

        def lose(connection: Connection) -> None:
            nonlocal lost
            driver: Any = connection.connection.dbapi_connection
            if not lost and driver.execute("SELECT count(*) FROM decisions").fetchall() > [(decided,)]:
                lost = True
                driver.commit()
                driver.close()

        event.listen(self.database.engine, "commit", lose)


@pytest.fixture
def stage(tmp_path: Path, postgres: PostgresServer) -> Iterator[LeadingStage]:
    """One whose targets are known to be well."""
    made = LeadingStage(replace(settings(tmp_path, A, B, C), database=postgres.new_database()))
    made.play(QUIET)
    yield made
    made.unlock()
    made.database.close()


def test_no_route_moves_until_the_database_is_back(stage: LeadingStage) -> None:
    """The table stays but for its heartbeat; then all that was observed is stored, and the route moves."""
    stage.lock()
    stage.run(("x", A), at_s=OUTAGE[0][0])
    before = stage.table()
    stage.play(OUTAGE[1:])
    after = stage.table()
    assert after.pop("written_at") > before.pop("written_at")
    assert after == before
    assert not stage.unjournalled().exists()
    stage.unlock()
    stage.run((".", C), at_s=MOVED_S)
    assert (stage.target(), stage.table()["epoch"], stage.table()["generation"]) == (C, 3, 2)
    assert [(each.target, each.epoch) for each in stage.journal.decisions()] == [(C, 3), (A, 3)]
    assert stage.store.states()[A].health.health is Health.DOWN
    assert len(stage.store.observations(A, after=T0 - timedelta(days=1))) == 7
    assert stage.shared[-1] == 2


def test_a_decision_whose_commit_had_no_answer_stands(stage: LeadingStage) -> None:
    """It is in the journal once, and is published as it stands there."""
    told: list[str] = []
    stage.cycle.on_decision = lambda decision: told.append(decision.target)
    stage.lose_answer_to_next_decision()
    with pytest.raises(DatabaseError, match="connection is closed"):
        stage.play(OUTAGE)
    assert (stage.target(), told) == (A, [])
    stage.run((".", C), at_s=MOVED_S)
    assert (stage.target(), told) == (C, [C])
    assert [(each.target, each.generation) for each in stage.journal.decisions()] == [(C, 2), (A, 1)]
    assert (stage.table()["epoch"], stage.table()["generation"], stage.shared[-1]) == (3, 2, 2)
    assert len(stage.journal.incidents()) == 1


def test_nobody_begins_to_lead_without_having_read_all(stage: LeadingStage) -> None:
    """The file may be older than what another leader decided."""
    stage.delete()
    with pytest.raises(DatabaseError):
        stage.go_on(MOVED_S)


def test_a_table_that_could_not_be_shared_is_shared_later(stage: LeadingStage) -> None:
    """The file of this machine has it already."""
    tries: list[int] = []

    def refuse(table: dict[str, int]) -> None:
        tries.append(table["generation"])
        if len(tries) == 1:
            raise DatabaseError("no")

    stage.cycle.publisher.share = refuse  # type: ignore[assignment]
    stage.play(OUTAGE)
    assert stage.target() == C
    assert tries[-1] == 2
    assert len(tries) >= 2
