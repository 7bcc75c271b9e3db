"""In SQLite, observations lie in the order in which they came, and one index finds them, by slots of time."""

import json
import logging
import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_HOUR_MS = 3_600_000
_SAYS_EVERY_S = 2.0
_TARGETS = """
WITH RECURSIVE targets(name) AS (
    SELECT min(target) FROM observations_of_before
    UNION ALL SELECT (SELECT min(target) FROM observations_of_before WHERE target > name) FROM targets
    WHERE name IS NOT NULL
)
SELECT name FROM targets WHERE name IS NOT NULL
"""
_END = """
SELECT {end}((SELECT {end}(started_ms) FROM observations_of_before WHERE target = value AND started_ms >= :begin))
FROM json_each(:targets)
"""
_COPY = """
INSERT INTO observations ({names}) SELECT {names} FROM json_each(:targets) CROSS JOIN observations_of_before
WHERE target = value AND started_ms >= :begin AND started_ms < :end ORDER BY started_ms
"""

log = logging.getLogger(__name__)


def upgrade() -> None:
    """Write the table anew, an hour at a time: neither memory nor the time until a word is said grow with it."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.rename_table("observations", "observations_of_before")
    op.create_table("observations", *_columns(), sqlite_strict=True)
    op.execute(
        "CREATE UNIQUE INDEX observations_by_slot ON observations"
        " (started_ms / 120000, target, started_ms, check_, region)"
    )
    _copy()
    op.drop_table("observations_of_before")


def _copy() -> None:
    connection = op.get_bind()
    targets = json.dumps(list(connection.scalars(sa.text(_TARGETS))))
    copy = sa.text(_COPY.format(names=", ".join(column.name for column in _columns())))
    first, last = (sa.text(_END.format(end=end)) for end in ("min", "max"))
    least_ms, most_ms = (connection.scalar(end, {"targets": targets, "begin": -(2**62)}) for end in (first, last))
    begin_ms, began_s, said_s = least_ms, time.monotonic(), time.monotonic()
    while begin_ms is not None:
        connection.execute(copy, {"targets": targets, "begin": begin_ms, "end": begin_ms + _HOUR_MS})
        if time.monotonic() - said_s >= _SAYS_EVERY_S:
            said_s = time.monotonic()
            share = min(1.0, (begin_ms + _HOUR_MS - least_ms) / max(1, most_ms - least_ms))
            left_s = (said_s - began_s) * (1 - share) / share
            log.info("rewriting_observations: %.0f %%, about %.0f s left; the service starts then", 100 * share, left_s)
        begin_ms = connection.scalar(first, {"targets": targets, "begin": begin_ms + _HOUR_MS})


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("started_ms", sa.INTEGER(), nullable=False),
        sa.Column("check_", sa.TEXT(), nullable=False),
        sa.Column("region", sa.TEXT(), nullable=False),
        sa.Column("outcome", sa.TEXT(), nullable=False),
        sa.Column("duration_s", sa.REAL(), nullable=False),
        sa.Column("connected_s", sa.REAL()),
        sa.Column("first_byte_s", sa.REAL()),
        sa.Column("first_token_s", sa.REAL()),
        sa.Column("http_status", sa.INTEGER()),
        sa.Column("retry_after_s", sa.REAL()),
        sa.Column("input_tokens", sa.INTEGER()),
        sa.Column("output_tokens", sa.INTEGER()),
        sa.Column("cost_usd", sa.REAL()),
        sa.Column("loop_lag_s", sa.REAL(), nullable=False),
        sa.Column("request_id", sa.TEXT()),
        sa.Column("detail", sa.TEXT(), nullable=False),
        sa.Column("resolved_s", sa.REAL()),
        sa.Column("tcp_s", sa.REAL()),
        sa.Column("sent_s", sa.REAL()),
        sa.Column("last_byte_s", sa.REAL()),
        sa.Column("longest_stall_s", sa.REAL()),
        sa.Column("reused", sa.INTEGER()),
        sa.Column("cached_tokens", sa.INTEGER()),
        sa.Column("reasoning_tokens", sa.INTEGER()),
        sa.Column("model", sa.TEXT()),
        sa.Column("deprecation", sa.TEXT()),
        sa.Column("failed_here", sa.INTEGER(), nullable=False, server_default=sa.text("0")),
        sa.Column("afresh", sa.INTEGER()),
        sa.Column("limit_left", sa.TEXT()),
        sa.Column("limit_resets_s", sa.REAL()),
    ]
