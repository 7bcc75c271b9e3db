"""Observations say whether they failed on this side: by a fault of this machine, or of our own network."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add the mark, and set it where a row of before shows it; that our network was down was not stored with it."""
    op.add_column("observations", sa.Column("failed_here", _WHOLE, nullable=False, server_default=sa.text("0")))
    op.execute(
        "UPDATE observations SET failed_here = 1 WHERE detail LIKE 'the probe itself%'"
        " OR http_status IS NULL AND (outcome IN ('bad_request', 'auth') OR detail LIKE 'no AWS credentials%')"
    )
