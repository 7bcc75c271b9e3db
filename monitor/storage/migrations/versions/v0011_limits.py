"""Observations say what is left of a limit that is nearly used up, and for how long that holds."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns; no version before read the headers that state limits."""
    op.add_column("observations", sa.Column("limit_left", sa.TEXT()))
    op.add_column("observations", sa.Column("limit_resets_s", sa.REAL()))
