"""Stores what the probes of each target cost per day, and how the budget throttles them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, func, select
from sqlmodel import Session

from monitor.storage.conversions import storable, to_ms
from monitor.storage.tables import SPENDING, BudgetRow
from monitor.storage.upserts import insert_or_add

_DAY_MS: Final = 86_400_000
_ONLY_ROW: Final = 1
# Core: it runs in the transaction of every batch of observations.
_ADD: Final = insert_or_add(SPENDING, "usd", "probes", "unpriced")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpending:
    """What the probes of one target have cost in some time."""

    usd: float
    """As far as is known."""
    probes: int
    unpriced: int
    """Those of them whose cost is not known: the ones that failed, mostly."""

    @property
    def mean_usd(self) -> float | None:
        """The mean cost of a probe with a known cost; None while there is none."""
        priced = self.probes - self.unpriced
        return self.usd / priced if priced > 0 else None


def add(connection: Connection, stored: Iterable[tuple[str, int, float | None]]) -> None:
    """Add observations (target, start in epoch ms, cost) to the spending, in the transaction that stores them."""
    days: dict[tuple[int, str], dict[str, object]] = {}
    sums: dict[tuple[int, str], list[float | None]] = {}
    for target, started_ms, usd in stored:
        sums.setdefault((started_ms // _DAY_MS * _DAY_MS, target), []).append(usd)
    for (day_ms, target), costs in sums.items():
        known = [usd for usd in costs if usd is not None]
        counts = {"usd": float(sum(known)), "probes": len(costs), "unpriced": len(costs) - len(known)}
        days[day_ms, target] = {"day_ms": day_ms, "target": target, **counts}
    if days:
        connection.execute(_ADD, list(days.values()))


class SpendingStore:
    """The spending, on an engine of `open_writer` or `open_reader`. Raises `monitor.storage.database.DatabaseError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def spent(self, *, since: datetime, until: datetime) -> dict[str, TargetSpending]:
        """What each target has cost from the day of the one instant to that of the other, by target id."""
        columns = [func.sum(SPENDING.c[name]).label(name) for name in ("usd", "probes", "unpriced")]
        sums = (
            select(SPENDING.c.target, *columns)
            .where(SPENDING.c.day_ms >= to_ms(since) // _DAY_MS * _DAY_MS, SPENDING.c.day_ms <= to_ms(until))
            .group_by(SPENDING.c.target)
        )
        with self._engine.connect() as connection:
            return {
                row.target: TargetSpending(usd=row.usd, probes=row.probes, unpriced=row.unpriced)
                for row in connection.execute(sums)
            }

    def lately(self, now: datetime) -> Mapping[str, float]:
        """What a probe of each target has cost since yesterday's midnight, by id; without those that cost nothing."""
        spent = self.spent(since=now - timedelta(days=1), until=now)
        return {target: mean for target, spending in spent.items() if (mean := spending.mean_usd) is not None}

    def save_throttling(self, text: str, now: datetime) -> None:
        """Replace the throttling; `text` is the budget tracker's JSON."""
        with Session(self._engine) as session:
            session.merge(BudgetRow(id=_ONLY_ROW, at_ms=to_ms(now), pace=storable(text)))
            session.commit()

    def pace(self) -> str | None:
        """The last stored throttling, the budget tracker's JSON; None when there is none."""
        with Session(self._engine) as session:
            row = session.get(BudgetRow, _ONLY_ROW)
            return None if row is None else row.pace
