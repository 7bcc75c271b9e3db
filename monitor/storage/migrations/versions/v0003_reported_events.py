"""Events that people are told, and what the service made of an operator's hand."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add them; what there is stays as it is, and is told to nobody."""
    op.add_column("events", sa.Column("telling", sa.TEXT()))
    op.add_column("events", sa.Column("delivery_error", sa.TEXT()))
    op.create_index("ix_events_telling", "events", ["telling"])
    op.add_column("overrides", sa.Column("heeded_ms", _WHOLE))
    op.add_column("overrides", sa.Column("warned_ms", _WHOLE))
