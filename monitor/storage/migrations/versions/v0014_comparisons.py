"""The runs of `hotspare compare` are kept, to be compared with later ones."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "comparisons",
        sa.Column("id", _WHOLE, primary_key=True, autoincrement=True),
        sa.Column("route", sa.TEXT(), nullable=False),
        sa.Column("golden_set", sa.TEXT(), nullable=False),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("document", sa.TEXT(), nullable=False),
        sqlite_strict=True,
    )
