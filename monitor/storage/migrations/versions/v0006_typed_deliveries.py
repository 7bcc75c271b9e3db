"""Deliveries say in columns what was coded into their keys; how channels are has a table of its own."""

import re
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_WHOLE: Final = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")

#: What follows the channel's name in a key of before, the kind of its row, and the column that the number is for.
_FORMS: Final = (
    (r"incident \d+", "headline", None),
    (r"incident \d+ critical", "copy", None),
    (r"incident \d+ call (\d+)", "call", "call"),
    (r"incident \d+ calm \d+", "calm", None),
    (r"incident \d+ line [\d-]+", "reply", None),
    (r"incident \d+ opened \d+", "opened", None),
    (r"incident \d+ resolved \d+", "resolved", None),
    (r"incident \d+ revision (\d+)", "revision", "revision"),
    (r"event (\d+)", "event", "event_id"),
    (r"(?s)together .*", "together", None),
    (r"(?s)held .*", "held", None),
    (r"(?s)channel (.*)", "place", "subject"),
    (r"since", "since", None),
)


def upgrade() -> None:
    """Read every row of before; each is kept, either as a delivery or as the state of a channel."""
    connection = op.get_bind()
    rows = [dict(row) for row in connection.execute(sa.text("SELECT * FROM deliveries")).mappings()]
    op.drop_table("deliveries")
    deliveries = op.create_table(
        "deliveries",
        sa.Column("key", sa.TEXT(), nullable=False),
        sa.Column("sink", sa.TEXT(), nullable=False),
        sa.Column("kind", sa.TEXT(), nullable=False),
        sa.Column("incident_id", _WHOLE),
        sa.Column("event_id", _WHOLE),
        sa.Column("revision", _WHOLE),
        sa.Column("call", _WHOLE),
        sa.Column("subject", sa.TEXT()),
        sa.Column("begun_ms", _WHOLE, nullable=False),
        sa.Column("done_ms", _WHOLE),
        sa.Column("channel", sa.TEXT()),
        sa.Column("ts", sa.TEXT()),
        sa.Column("alert_kind", sa.TEXT()),
        sa.Column("severity", sa.TEXT()),
        sa.Column("attempts", _WHOLE, nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.TEXT()),
        sa.PrimaryKeyConstraint("key"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deliveries_incident_id", "deliveries", ["incident_id"])
    op.create_index("ix_deliveries_event_id", "deliveries", ["event_id"])
    op.create_index("ix_deliveries_begun_ms", "deliveries", ["begun_ms"])
    states = op.create_table(
        "channel_states",
        sa.Column("sink", sa.TEXT(), nullable=False),
        sa.Column("part", sa.TEXT(), nullable=False),
        sa.Column("since_ms", _WHOLE, nullable=False),
        sa.Column("over_ms", _WHOLE),
        sa.Column("failures", _WHOLE, nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.TEXT()),
        sa.PrimaryKeyConstraint("sink", "part"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    old_states = [row for row in rows if _part(row) is not None]
    op.bulk_insert(states, [_state(row) for row in old_states])
    op.bulk_insert(deliveries, _with_calls([_delivery(row) for row in rows if row not in old_states]))


def _part(row: dict[str, Any]) -> str | None:
    """What of the channel the row is the state of (empty: all of it); None for a delivery."""
    key, sink = row["key"], row["sink"]
    if key == sink:
        return ""
    prefix = f"{sink} state "
    return key.removeprefix(prefix) if key.startswith(prefix) else None


def _state(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "sink": row["sink"],
        "part": _part(row),
        "since_ms": row["begun_ms"],
        "over_ms": row["done_ms"],
        "failures": row["attempts"],
        "error": row["error"],
    }


def _delivery(row: dict[str, Any]) -> dict[str, Any]:
    new = {**row, "event_id": None, "revision": None, "call": None, "subject": None}
    new |= {"alert_kind": None, "severity": None, "kind": "other"}
    if row["sink"] == "buttons":
        return {**new, "kind": "press"}
    rest = row["key"].removeprefix(f"{row['sink']} ")
    if row["sink"] == "digest":
        return {**new, "kind": "digest", "subject": rest}
    for form, kind, column in _FORMS:
        if match := re.fullmatch(form, rest):
            new["kind"] = kind
            if column:
                new[column] = match[1] if column == "subject" else int(match[1])
            break
    if row["sink"] != "slack" and new["kind"] in {"revision", "event"}:
        # The two columns held the severity and the kind of the alert, for they had no place of Slack's to hold.
        new |= {"severity": row["channel"], "alert_kind": row["ts"], "channel": None, "ts": None}
    return new


def _with_calls(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A message that was posted with a call, whose mark has its name in Slack, makes that call itself."""
    calls = {(row["sink"], row["incident_id"], row["ts"]): row["call"] for row in rows if row["call"] and row["ts"]}
    for row in rows:
        if row["kind"] in {"headline", "copy"}:
            row["call"] = calls.get((row["sink"], row["incident_id"], row["ts"]))
    return rows
