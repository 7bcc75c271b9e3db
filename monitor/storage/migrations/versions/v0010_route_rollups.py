"""Where routes pointed, and what their users felt, is summed up by hour and day; the service fills in the past."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "route_rollups",
        sa.Column("route", sa.TEXT(), nullable=False),
        sa.Column("span_s", _WHOLE, nullable=False),
        sa.Column("start_ms", _WHOLE, nullable=False),
        sa.Column("on_target_s", sa.TEXT(), nullable=False),
        sa.Column("observed_s", sa.REAL(), nullable=False),
        sa.Column("felt_s", sa.REAL(), nullable=False),
        sa.Column("without_s", sa.REAL(), nullable=False),
        sa.Column("flips", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("route", "span_s", "start_ms"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
