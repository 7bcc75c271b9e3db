"""Stores the changes of what vendors' status pages say."""

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, delete, func
from sqlmodel import Session, col, select

from monitor.status_pages.reading import LONGEST_HEADLINE, VendorState, VendorStateChange
from monitor.storage.conversions import from_ms, maybe_from_ms, maybe_to_ms, storable, to_ms, truncate
from monitor.storage.tables import VENDOR_REPORTS, VendorReportRow

_AT: Final = (col(VendorReportRow.at_ms), col(VendorReportRow.id))
_LONGEST_URL: Final = 2_000
_NEWEST: Final = select(func.max(VendorReportRow.id)).group_by(col(VendorReportRow.provider))


class StatusPageStore:
    """The reports of all providers, on an engine of `open_writer`, or of `open_reader` for what only reads.

    Not for several threads at once. Instants must be aware and are kept to the millisecond, rounded down. Every method
    is one transaction and raises `monitor.storage.database.DatabaseError` when it did not happen: call it again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, report: VendorStateChange) -> None:
        """Store a report that differs from the provider's last one."""
        row = VendorReportRow(
            provider=storable(report.provider),
            at_ms=to_ms(report.at),
            state=report.state.value,
            headline=truncate(report.headline, LONGEST_HEADLINE),
            since_ms=maybe_to_ms(report.since),
            url=report.url and truncate(report.url, _LONGEST_URL),
        )
        with Session(self._engine) as session:
            session.add(row)
            session.commit()

    def latest(self) -> dict[str, VendorStateChange]:
        """The last report of every provider that ever had one, by provider."""
        with Session(self._engine) as session:
            rows = session.exec(select(VendorReportRow).where(col(VendorReportRow.id).in_(_NEWEST)))
            return {row.provider: _report(row) for row in rows}

    def between(self, provider: str, *, after: datetime, before: datetime) -> list[VendorStateChange]:
        """The provider's reports after the one instant and until the other, oldest first.

        The one that was in force at the first instant comes before them, so that what is said by all of them together
        is known for the whole time.
        """
        ours = select(VendorReportRow).where(VendorReportRow.provider == storable(provider))
        when = col(VendorReportRow.at_ms)
        in_force = ours.where(when <= to_ms(after)).order_by(*(column.desc() for column in _AT)).limit(1)
        later = ours.where(when > to_ms(after), when <= to_ms(before)).order_by(*_AT)
        with Session(self._engine) as session:
            return [_report(row) for rows in (in_force, later) for row in session.exec(rows)]

    def prune(self, before: datetime, *, at_most: int = 5_000) -> int:
        """Remove up to `at_most` of the oldest reports from before this, and say how many.

        The last report of a provider always stays: it still holds.
        """
        old = select(VendorReportRow.id).where(VendorReportRow.at_ms < to_ms(before))
        old = old.where(col(VendorReportRow.id).not_in(_NEWEST)).order_by(*_AT).limit(at_most)
        with self._engine.begin() as connection:
            return connection.execute(delete(VENDOR_REPORTS).where(VENDOR_REPORTS.c.id.in_(old))).rowcount


def _report(row: VendorReportRow) -> VendorStateChange:
    return VendorStateChange(
        provider=row.provider,
        at=from_ms(row.at_ms),
        state=_state(row.state),
        headline=row.headline,
        since=maybe_from_ms(row.since_ms),
        url=row.url,
    )


def _state(name: str) -> VendorState:
    """The state; one that this version does not know is `unknown`."""
    return next((state for state in VendorState if state == name), VendorState.UNKNOWN)
