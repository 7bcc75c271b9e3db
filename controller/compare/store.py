"""Keeps the last runs of each route and golden set, and counts what they cost."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, delete, select

from controller.compare.history import PastRun, from_json, to_json
from monitor.budget.summary import read_summary
from monitor.config.settings import Settings
from monitor.storage.column_conversions import storable, to_ms
from monitor.storage.database import reading
from monitor.storage.store import Store
from monitor.storage.tables import COMPARISONS
from probes.observation import Observation
from probes.pricing import costs_money
from probes.target import Target

#: Of one route and set; and of all, because every change of a set makes another one.
_MOST_RUNS: Final = 20
_MOST_ROWS: Final = 1_000
_C: Final = COMPARISONS.c


class ComparisonStore:
    """The runs of `hotspare compare`, on an engine of `open_operator`; raises DatabaseError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = Store(engine)

    def left_usd(self, settings: Settings, now: datetime) -> float | None:
        """What is left of the month's budget; None without one."""
        summary = read_summary(settings, self._store, now)
        return None if summary.cap_usd is None else summary.cap_usd - summary.spent_usd

    def add_costs(self, targets: Sequence[Target], observations: Sequence[Observation]) -> None:
        """Add what was asked of these targets to the spending, as far as they cost money."""
        paid = {target.id for target in targets if costs_money(target)}
        self._store.add_spending([each for each in observations if each.target in paid], "compare")

    def runs(self, route: str, golden_set: str) -> tuple[PastRun, ...]:
        """The last runs for a route of the set with this digest, newest first, without those of other versions."""
        ours = (_C.route == storable(route), _C.golden_set == golden_set)
        newest = select(_C.document).where(*ours).order_by(_C.id.desc()).limit(_MOST_RUNS)
        with reading(self._engine).connect() as connection:
            found = [from_json(document) for document in connection.scalars(newest)]
        return tuple(run for run in found if run)

    def add(self, route: str, golden_set: str, run: PastRun) -> None:
        """Keep a run, and let go of those that are too many."""
        name = storable(route)
        alike = select(_C.id).where(_C.route == name, _C.golden_set == golden_set).order_by(_C.id.desc())
        kept, all_kept = alike.limit(_MOST_RUNS), select(_C.id).order_by(_C.id.desc()).limit(_MOST_ROWS)
        row = {"route": name, "golden_set": golden_set, "at_ms": to_ms(run.at), "document": storable(to_json(run))}
        with self._engine.begin() as connection:
            connection.execute(COMPARISONS.insert(), row)
            too_many = (_C.route == name, _C.golden_set == golden_set, _C.id.not_in(kept))
            connection.execute(delete(COMPARISONS).where(*too_many))
            connection.execute(delete(COMPARISONS).where(_C.id.not_in(all_kept)))
