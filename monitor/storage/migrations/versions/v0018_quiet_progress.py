"""What good answers change in the state of a target, beside the state: so little is written once a minute."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
_TEXT = sa.TEXT().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table, empty: the states of before are whole."""
    op.create_table(
        "quiet_progress",
        sa.Column("target", _TEXT, primary_key=True),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("clean_pending", _WHOLE, nullable=False),
        sa.Column("last_started_ms", _WHOLE, nullable=False),
        sa.Column("last_seen_ms", _WHOLE, nullable=False),
        sa.Column("regular_ms", _WHOLE),
        sa.Column("latency", _TEXT, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
