"""Which kind of database the service writes."""

from monitor.config.database_url import is_postgres
from monitor.storage.database import require_psycopg
from monitor.storage.lease_fence import LeaseFence
from monitor.storage.sqlite_engine import database_path
from monitor.storage.sqlite_writer import SqliteWriter
from monitor.storage.writer_database import WriterDatabase


def writer_database(url: str, fence: LeaseFence | None = None) -> WriterDatabase:
    """The service's database, not open yet; raises DatabaseError for a URL that names none.

    In PostgreSQL it is written as long as the lease of the `fence` is held; without one as long as it is open.
    """
    if not is_postgres(url):
        return SqliteWriter(database_path(url))
    require_psycopg(url)
    from monitor.storage.postgres_writer import PostgresWriter  # noqa: PLC0415 - an extra

    return PostgresWriter(url, fence=fence)
