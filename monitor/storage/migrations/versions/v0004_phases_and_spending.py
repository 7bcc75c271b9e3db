"""More phases and tokens of an observation, what was spent, and what vendors say about themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add them; what was spent this month is taken from the observations that are still there."""
    for name in ("resolved_s", "tcp_s", "sent_s", "last_byte_s", "longest_stall_s"):
        op.add_column("observations", sa.Column(name, sa.REAL()))
    for name in ("reused", "cached_tokens", "reasoning_tokens"):
        op.add_column("observations", sa.Column(name, _WHOLE))
    for name in ("model", "deprecation"):
        op.add_column("observations", sa.Column(name, sa.TEXT()))
    op.create_table(
        "spending",
        sa.Column("day_ms", _WHOLE, nullable=False),
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("usd", sa.REAL(), nullable=False),
        sa.Column("probes", _WHOLE, nullable=False),
        sa.Column("unpriced", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("day_ms", "target"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO spending (day_ms, target, usd, probes, unpriced)"
        " SELECT started_ms / 86400000 * 86400000 AS day_ms, target, COALESCE(SUM(cost_usd), 0.0), COUNT(*),"
        " COUNT(*) - COUNT(cost_usd) FROM observations GROUP BY started_ms / 86400000, target"
    )
    op.create_table(
        "budget",
        sa.Column("id", sa.INTEGER(), nullable=False),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("pace", sa.TEXT(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "vendor_reports",
        sa.Column("id", _WHOLE, nullable=False, autoincrement=True),
        sa.Column("provider", sa.TEXT(), nullable=False),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("state", sa.TEXT(), nullable=False),
        sa.Column("headline", sa.TEXT(), nullable=False),
        sa.Column("since_ms", _WHOLE),
        sa.Column("url", sa.TEXT()),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_vendor_reports_at_ms", "vendor_reports", ["at_ms"])
