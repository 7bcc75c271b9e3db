"""In SQLite, rollups lie in the order in which they came: those of the present hour share few pages."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Write the table anew; PostgreSQL's lie so already."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.rename_table("rollups", "rollups_of_before")
    op.create_table(
        "rollups",
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("span_s", sa.INTEGER(), nullable=False),
        sa.Column("start_ms", sa.INTEGER(), nullable=False),
        sa.Column("check_", sa.TEXT(), nullable=False),
        sa.Column("region", sa.TEXT(), nullable=False),
        sa.Column("asked", sa.TEXT(), nullable=False),
        sa.Column("failed_here", sa.INTEGER(), nullable=False),
        sa.Column("duration", sa.TEXT(), nullable=False),
        sa.Column("first_token", sa.TEXT(), nullable=False),
        sa.Column("input_tokens", sa.INTEGER(), nullable=False),
        sa.Column("output_tokens", sa.INTEGER(), nullable=False),
        sa.Column("cost_usd", sa.REAL(), nullable=False),
        sa.Column("unpriced", sa.INTEGER(), nullable=False),
        sa.PrimaryKeyConstraint("target", "span_s", "start_ms", "check_", "region"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO rollups SELECT * FROM rollups_of_before ORDER BY start_ms, target")
    op.drop_table("rollups_of_before")
