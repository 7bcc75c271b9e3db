"""Several machines on one database: leases, what was published, what was probed elsewhere, epochs of decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
_TEXT = sa.TEXT().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables and the column; what was decided before has epoch 0."""
    op.add_column("decisions", sa.Column("epoch", _WHOLE, nullable=False, server_default=sa.text("0")))
    op.create_table(
        "leases",
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("holder", _TEXT, nullable=False),
        sa.Column("epoch", _WHOLE, nullable=False),
        sa.Column("until_ms", _WHOLE, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "published_tables",
        sa.Column("region", _TEXT, primary_key=True),
        sa.Column("epoch", _WHOLE, nullable=False),
        sa.Column("generation", _WHOLE, nullable=False),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("content", _TEXT, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "regions",
        sa.Column("region", _TEXT, primary_key=True),
        sa.Column("sequence", _WHOLE, nullable=False, server_default=sa.text("0")),
        sa.Column("taken", _WHOLE, nullable=False, server_default=sa.text("0")),
        sa.Column("reported_ms", _WHOLE),
        sa.Column("reporter", _TEXT),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "probe_reports",
        sa.Column("region", _TEXT, primary_key=True),
        sa.Column("sequence", _WHOLE, primary_key=True, autoincrement=False),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("content", _TEXT, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
