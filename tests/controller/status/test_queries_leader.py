"""Who leads, where several machines share a PostgreSQL."""

from datetime import UTC, datetime, timedelta

from controller.status.queries import read_leader
from monitor.liveness import Leader
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import open_writer
from monitor.storage.fleet_tables import LEASES

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_the_lease_says_who_leads(database_url: str) -> None:
    """Until it runs out; one machine on its own has none."""
    engine = open_writer(database_url)
    with engine.connect() as connection:
        assert read_leader(connection) is None
    row = {"name": "leader", "holder": "web-1 pid 7 aa.bb", "epoch": 3, "until_ms": to_ms(NOW)}
    with engine.begin() as connection:
        connection.execute(LEASES.insert(), row)
    with engine.connect() as connection:
        leader = read_leader(connection)
    assert leader == Leader(holder="web-1 pid 7 aa.bb", epoch=3, until=NOW)
    assert leader.sentence(NOW - timedelta(seconds=1)) == "web-1 pid 7 leads (epoch 3)"
    assert leader.sentence(NOW) == "nobody leads; web-1 pid 7 did (epoch 3)"
    engine.dispose()
