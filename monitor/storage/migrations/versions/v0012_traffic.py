"""What applications report of their requests is summed up by minute and hour."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "traffic_rollups",
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("span_s", _WHOLE, nullable=False),
        sa.Column("start_ms", _WHOLE, nullable=False),
        sa.Column("route", sa.TEXT(), nullable=False),
        sa.Column("tag", sa.TEXT(), nullable=False),
        sa.Column("asked", sa.TEXT(), nullable=False),
        sa.Column("duration", sa.TEXT(), nullable=False),
        sa.Column("first_token", sa.TEXT(), nullable=False),
        sa.Column("input_tokens", _WHOLE, nullable=False),
        sa.Column("output_tokens", _WHOLE, nullable=False),
        sa.Column("cost_usd", sa.REAL(), nullable=False),
        sa.Column("unpriced", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("target", "span_s", "start_ms", "route", "tag"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
