"""The ledger: what the probes of each target have cost on each day, and the pace that the budget left them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.storage.columns import storable, to_ms
from monitor.storage.tables import BUDGET, SPENDING

_DAY_MS: Final = 86_400_000
_ONLY: Final = 1
_NEW: Final = upsert(SPENDING)
_ADD: Final = _NEW.on_conflict_do_update(
    index_elements=[SPENDING.c.day_ms, SPENDING.c.target],
    set_={name: SPENDING.c[name] + _NEW.excluded[name] for name in ("usd", "probes", "unpriced")},
)


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
        """What one has cost; None while not one has."""
        priced = self.probes - self.unpriced
        return self.usd / priced if priced > 0 else None


def add(connection: Connection, kept: Iterable[tuple[str, int, float | None]]) -> None:
    """Add observations to the ledger: target, start in epoch milliseconds, cost; in the transaction that keeps them."""
    days: dict[tuple[int, str], dict[str, object]] = {}
    sums: dict[tuple[int, str], list[float | None]] = {}
    for target, started_ms, usd in kept:
        sums.setdefault((started_ms // _DAY_MS * _DAY_MS, target), []).append(usd)
    for (day_ms, target), costs in sums.items():
        known = [usd for usd in costs if usd is not None]
        counts = {"usd": float(sum(known)), "probes": len(costs), "unpriced": len(costs) - len(known)}
        days[day_ms, target] = {"day_ms": day_ms, "target": target, **counts}
    if days:
        connection.execute(_ADD, list(days.values()))


class SpendingStore:
    """The ledger, on an engine of `open_writer` or `open_reader`. Raises `monitor.storage.database.DatabaseError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def spent(self, *, since: datetime, until: datetime) -> dict[str, TargetSpending]:
        """What each target has cost from the day of the one instant to that of the other, by target id."""
        columns = [func.sum(SPENDING.c[name]).label(name) for name in ("usd", "probes", "unpriced")]
        wanted = (
            select(SPENDING.c.target, *columns)
            .where(SPENDING.c.day_ms >= to_ms(since) // _DAY_MS * _DAY_MS, SPENDING.c.day_ms <= to_ms(until))
            .group_by(SPENDING.c.target)
        )
        with self._engine.connect() as connection:
            return {
                row.target: TargetSpending(usd=row.usd, probes=row.probes, unpriced=row.unpriced)
                for row in connection.execute(wanted)
            }

    def lately(self, now: datetime) -> Mapping[str, float]:
        """What a probe of each target has cost since yesterday's midnight, by id; without those that cost nothing."""
        found = self.spent(since=now - timedelta(days=1), until=now)
        return {target: mean for target, one in found.items() if (mean := one.mean_usd) is not None}

    def keep_pace(self, text: str, now: datetime) -> None:
        """Replace what is known of the pace; the text is the purse's own."""
        row = {"at_ms": to_ms(now), "pace": storable(text)}
        statement = upsert(BUDGET).values(id=_ONLY, **row)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))

    def pace(self) -> str | None:
        """The last pace that was kept; None when none was."""
        with self._engine.connect() as connection:
            return connection.scalar(select(BUDGET.c.pace))
