"""The service's row says which configuration is in force, and why a newer one is not."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add the columns; no version before read a configuration while it ran."""
    op.add_column("service", sa.Column("revision", sa.TEXT()))
    op.add_column("service", sa.Column("loaded_ms", _WHOLE))
    op.add_column("service", sa.Column("refused", sa.TEXT()))
