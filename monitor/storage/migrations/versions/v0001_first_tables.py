"""The first tables: observations, health, decisions, incidents, events and the service's sign of life."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Make them."""
    _observations()
    _health()
    _decisions()
    _incidents()
    _events()
    _service()


def _observations() -> None:
    op.create_table(
        "observations",
        sa.Column("target", sa.TEXT(), primary_key=True),
        sa.Column("started_ms", _WHOLE, primary_key=True),
        sa.Column("check_", sa.TEXT(), primary_key=True),
        sa.Column("region", sa.TEXT(), primary_key=True),
        sa.Column("outcome", sa.TEXT(), nullable=False),
        sa.Column("duration_s", sa.REAL(), nullable=False),
        sa.Column("connected_s", sa.REAL()),
        sa.Column("first_byte_s", sa.REAL()),
        sa.Column("first_token_s", sa.REAL()),
        sa.Column("http_status", _WHOLE),
        sa.Column("retry_after_s", sa.REAL()),
        sa.Column("input_tokens", _WHOLE),
        sa.Column("output_tokens", _WHOLE),
        sa.Column("cost_usd", sa.REAL()),
        sa.Column("loop_lag_s", sa.REAL(), nullable=False),
        sa.Column("request_id", sa.TEXT()),
        sa.Column("detail", sa.TEXT(), nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _health() -> None:
    op.create_table(
        "transitions",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("at_ms", _WHOLE, nullable=False, index=True),
        sa.Column("before", sa.TEXT(), nullable=False),
        sa.Column("after", sa.TEXT(), nullable=False),
        sa.Column("reason", sa.TEXT(), nullable=False),
        sa.Column("evidence", sa.REAL(), nullable=False),
        sa.Column("threshold", sa.REAL(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "target_states",
        sa.Column("target", sa.TEXT(), primary_key=True),
        sa.Column("at_ms", _WHOLE, nullable=False),
        sa.Column("health", sa.TEXT(), nullable=False),
        sa.Column("since_ms", _WHOLE, nullable=False),
        sa.Column("reason", sa.TEXT(), nullable=False),
        sa.Column("evidence", sa.REAL(), nullable=False),
        sa.Column("threshold", sa.REAL(), nullable=False),
        sa.Column("last_ok_ms", _WHOLE),
        sa.Column("record", sa.TEXT(), nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("route", sa.TEXT(), nullable=False),
        sa.Column("at_ms", _WHOLE, nullable=False, index=True),
        sa.Column("move", sa.TEXT(), nullable=False),
        sa.Column("before", sa.TEXT()),
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("reason", sa.TEXT(), nullable=False),
        sa.Column("generation", _WHOLE, nullable=False),
        sqlite_strict=True,
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("provider", sa.TEXT(), nullable=False),
        sa.Column("kind", sa.TEXT(), nullable=False),
        sa.Column("opened_ms", _WHOLE, nullable=False, index=True),
        sa.Column("resolved_ms", _WHOLE),
        sa.Column("document", sa.TEXT(), nullable=False),
        sa.Column("revision", _WHOLE, nullable=False),
        sa.Column("told_revision", _WHOLE, nullable=False),
        sa.Column("slack_channel", sa.TEXT()),
        sa.Column("slack_ts", sa.TEXT()),
        sa.Column("delivery_error", sa.TEXT()),
        sqlite_strict=True,
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("at_ms", _WHOLE, nullable=False, index=True),
        sa.Column("kind", sa.TEXT(), nullable=False),
        sa.Column("subject", sa.TEXT(), nullable=False),
        sa.Column("text", sa.TEXT(), nullable=False),
        sqlite_strict=True,
    )


def _service() -> None:
    op.create_table(
        "service",
        sa.Column("id", sa.INTEGER(), primary_key=True),
        sa.Column("pid", _WHOLE, nullable=False),
        sa.Column("host", sa.TEXT(), nullable=False),
        sa.Column("version", sa.TEXT(), nullable=False),
        sa.Column("started_ms", _WHOLE, nullable=False),
        sa.Column("beat_ms", _WHOLE, nullable=False),
        sa.Column("stopped_ms", _WHOLE),
        sqlite_strict=True,
    )
