"""What belongs to an incident besides its story, and one row for each message that is sent to anybody."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add them; incidents that are there have never come back, and stand by themselves."""
    op.add_column("incidents", sa.Column("lead_id", _WHOLE))
    op.add_column("incidents", sa.Column("reopened", _WHOLE, nullable=False, server_default=sa.text("0")))
    op.add_column("incidents", sa.Column("told_lines", _WHOLE, nullable=False, server_default=sa.text("0")))
    op.add_column("incidents", sa.Column("acknowledged_by", sa.TEXT()))
    # The messages of before had the whole story: its lines are not told in the thread once more.
    op.execute(
        "UPDATE incidents SET told_lines = coalesce(json_array_length(document, '$.timeline'), 0)"
        " WHERE told_revision > 0 AND json_valid(document)"
    )
    op.create_table(
        "deliveries",
        sa.Column("key", sa.TEXT(), nullable=False),
        sa.Column("sink", sa.TEXT(), nullable=False),
        sa.Column("incident_id", _WHOLE),
        sa.Column("begun_ms", _WHOLE, nullable=False),
        sa.Column("done_ms", _WHOLE),
        sa.Column("channel", sa.TEXT()),
        sa.Column("ts", sa.TEXT()),
        sa.Column("attempts", _WHOLE, nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.TEXT()),
        sa.PrimaryKeyConstraint("key"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deliveries_incident_id", "deliveries", ["incident_id"])
    op.create_index("ix_deliveries_begun_ms", "deliveries", ["begun_ms"])
