"""Observations say whether they were asked beside the schedule, to see whether a failure lasts."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; no probe of before was such a one."""
    op.add_column("observations", sa.Column("afresh", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")))
