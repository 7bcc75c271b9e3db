"""What people must yet be told of, as the database has it."""

from sqlmodel import Session, col, select

from controller.journal import Journal
from monitor.storage.tables import EventRow, IncidentRow


def untold_incidents(journal: Journal) -> list[IncidentRow]:
    """The incidents that changed since Slack was told of them, oldest first."""
    changed = select(IncidentRow).where(col(IncidentRow.told_revision) < col(IncidentRow.revision))
    with Session(journal._engine) as session:
        return list(session.exec(changed.order_by(col(IncidentRow.opened_ms), col(IncidentRow.id))))


def untold_events(journal: Journal) -> list[EventRow]:
    """The events that Slack has not taken, oldest first."""
    due = select(EventRow).where(EventRow.telling == "due").order_by(col(EventRow.id))
    with Session(journal._engine) as session:
        return list(session.exec(due))
