"""Observations are summed up by hour and day; those of before are summed up once."""

from itertools import groupby

import sqlalchemy as sa
from alembic import op

from monitor.storage.column_conversions import from_ms
from monitor.storage.rollup_rows import add_to_rollups
from probes.observation import Observation
from probes.outcome import Outcome

revision = "0009"
down_revision = "0008"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
_DAY_MS = 86_400_000


def upgrade() -> None:
    """Add the table, and fill it from the observations that are there, a target's day at a time."""
    op.create_table(
        "rollups",
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("span_s", _WHOLE, nullable=False),
        sa.Column("start_ms", _WHOLE, nullable=False),
        sa.Column("check_", sa.TEXT(), nullable=False),
        sa.Column("region", sa.TEXT(), nullable=False),
        sa.Column("asked", sa.TEXT(), nullable=False),
        sa.Column("failed_here", _WHOLE, nullable=False),
        sa.Column("duration", sa.TEXT(), nullable=False),
        sa.Column("first_token", sa.TEXT(), nullable=False),
        sa.Column("input_tokens", _WHOLE, nullable=False),
        sa.Column("output_tokens", _WHOLE, nullable=False),
        sa.Column("cost_usd", sa.REAL(), nullable=False),
        sa.Column("unpriced", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("target", "span_s", "start_ms", "check_", "region"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    stored = sa.text(
        "SELECT target, started_ms, check_, region, outcome, failed_here, duration_s, first_token_s, input_tokens,"
        " output_tokens, cost_usd FROM observations ORDER BY target, started_ms"
    )
    with connection.execute(stored, execution_options={"yield_per": 1_000}) as rows:
        for _, alike in groupby(rows.mappings(), key=_day):
            add_to_rollups(connection, map(_observation, alike))


def _day(row: sa.RowMapping) -> tuple[str, int]:
    return row["target"], row["started_ms"] // _DAY_MS


def _observation(row: sa.RowMapping) -> Observation:
    values = dict(row)
    return Observation(
        started_at=from_ms(values.pop("started_ms")),
        check=values.pop("check_"),
        outcome=Outcome(values.pop("outcome")),
        failed_here=bool(values.pop("failed_here")),
        **values,
    )
