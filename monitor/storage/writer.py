"""Which kind of database the service writes."""

from monitor.storage.sqlite_engine import database_path
from monitor.storage.sqlite_writer import SqliteWriter
from monitor.storage.writer_database import WriterDatabase


def writer_database(url: str) -> WriterDatabase:
    """The service's database, not open yet; raises DatabaseError for a URL that names none."""
    return SqliteWriter(database_path(url))
