"""What judging remembers: the trail of each transition, pools, what the neutral endpoints said, the operator's hand."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add them; what there is stays as it is."""
    op.add_column("transitions", sa.Column("trail", sa.TEXT()))
    op.add_column("decisions", sa.Column("weights", sa.TEXT()))
    op.add_column("decisions", sa.Column("dry_run", _WHOLE))
    _pools()
    _connectivity()
    _overrides()


def _pools() -> None:
    op.create_table(
        "pools",
        sa.Column("provider", sa.TEXT(), primary_key=True),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("pool", sa.TEXT(), nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _connectivity() -> None:
    op.create_table(
        "connectivity",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("at_ms", _WHOLE, nullable=False, index=True),
        sa.Column("sight", sa.TEXT(), nullable=False),
        sa.Column("asked", sa.TEXT(), nullable=False),
        sa.Column("answered", sa.TEXT(), nullable=False),
        sqlite_strict=True,
    )


def _overrides() -> None:
    op.create_table(
        "overrides",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("kind", sa.TEXT(), nullable=False),
        sa.Column("subject", sa.TEXT(), nullable=False),
        sa.Column("target", sa.TEXT()),
        sa.Column("author", sa.TEXT(), nullable=False),
        sa.Column("reason", sa.TEXT(), nullable=False),
        sa.Column("forced", _WHOLE, nullable=False),
        sa.Column("at_ms", _WHOLE, nullable=False, index=True),
        sa.Column("until_ms", _WHOLE, nullable=False),
        sa.Column("ended_ms", _WHOLE),
        sa.Column("ended_by", sa.TEXT()),
        sa.Column("ended_reason", sa.TEXT()),
        sqlite_strict=True,
    )
