"""The tables that the leader has published, for the machines that do not lead."""

from monitor.storage.database import open_writer
from monitor.storage.shared_table_store import SharedTable, SharedTableStore


def test_a_region_has_its_last_table(database_url: str) -> None:
    """And only what the reader does not have yet is read."""
    engine = open_writer(database_url)
    store = SharedTableStore(engine)
    assert store.read("") is None
    first = SharedTable(1, 2, 3, "{}")
    store.save("", first)
    store.save("eu", first)
    second = first._replace(at_ms=4, content='{"text": "é"}')
    store.save("", second)
    assert store.read("") == store.read("", unlike=first) == second
    assert store.read("", unlike=second) is None
    assert store.read("eu") == first
    engine.dispose()
