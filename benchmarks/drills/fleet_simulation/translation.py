"""What the product says to PostgreSQL, in SQLite's words."""

import re
from functools import cache
from typing import Final

_NOW: Final = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"
#: In this order.
_WORDS: Final = (
    (_NOW, "now_ms()"),
    ("to_regclass('leases') IS NOT NULL", "EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'leases')"),
    ("greatest(", "max("),
    ("least(", "min("),
    (" FOR NO KEY UPDATE SKIP LOCKED", ""),
    (" FOR SHARE", ""),
    (" FOR UPDATE", ""),
    (' COLLATE "C"', ""),
)
_LOCKED: Final = re.compile(r"EXISTS \(\s*SELECT FROM pg_locks .*?current_database\(\)\)\)", re.DOTALL)
_CAST: Final = re.compile(r"::(BIGINT|INTEGER|VARCHAR|TEXT|FLOAT|JSONB|DOUBLE PRECISION|BOOLEAN)\b")
_NAMED: Final = re.compile(r"%\((\w+)\)s")
_TAKE: Final = re.compile(r"INSERT INTO leases AS l ")

#: Statements with a shape that SQLite lacks; each is made of several, the last of which gives the rows.
_SEND_FIRST: Final = """INSERT INTO regions (region, sequence, taken, reported_ms, reporter)
 VALUES (:region, :count, 0, now_ms(), :reporter)
 ON CONFLICT (region) DO UPDATE SET sequence = regions.sequence + excluded.sequence,
 reported_ms = excluded.reported_ms, reporter = excluded.reporter"""
_SEND_NEXT: Final = """INSERT INTO probe_reports (region, sequence, at_ms, content)
 SELECT :region, r.sequence - :count + sent.key + 1, now_ms(), sent.value
 FROM regions r, json_each(:contents) AS sent WHERE r.region = :region"""
_WAITING: Final = """SELECT region, sequence, content FROM (
 SELECT p.region, p.sequence, p.content, row_number() OVER (PARTITION BY p.region ORDER BY p.sequence) AS place
 FROM probe_reports p JOIN regions r ON p.region = r.region AND p.sequence > r.taken)
 WHERE place <= 32 ORDER BY place, region LIMIT 32"""
_LAST_EVENTS: Final = """SELECT subject, kind FROM events WHERE id IN
 (SELECT max(id) FROM events WHERE kind IN (SELECT value FROM json_each(:kinds)) GROUP BY subject)"""


@cache
def translated(sql: str) -> tuple[str, ...]:
    """The statements of SQLite that do the same; parameters have names, or are in order."""
    if "WITH raised AS" in sql:
        return _SEND_FIRST, _SEND_NEXT
    if "CROSS JOIN LATERAL" in sql:
        return (_WAITING,)
    if "DISTINCT ON (subject)" in sql:
        return (_LAST_EVENTS,)
    sql = _LOCKED.sub("service_locked()", sql)
    for found, meant in _WORDS:
        sql = sql.replace(found, meant)
    if "jsonb_array_elements" in sql:
        sql = _keyed(sql)
    if "AS imp_sen(" in sql:
        sql = _numbered(sql)
    sql = _NAMED.sub(r":\1", _CAST.sub("", sql)).replace("%s", "?").replace("%%", "%")
    return (sql,)


def _keyed(sql: str) -> str:
    sql = re.sub(r"jsonb_array_elements\(CAST\(%\((\w+)\)s\S* AS JSONB\)\) AS key", r"json_each(%(\1)s) AS key", sql)
    return re.sub(r"CAST\(\(?key ->> %\(\w+\)s(?:::\w+)?\)? AS \w+\)", _Part(), sql)


def _numbered(sql: str) -> str:
    """The columns of VALUES have no names of their own."""
    found = re.search(r"AS imp_sen\(([^)]*)\)", sql)
    names = [name.strip() for name in found[1].split(",")] if found else []
    sql = re.sub(r"AS imp_sen\([^)]*\)", "AS imp_sen", sql)
    for number, name in enumerate(names, 1):
        sql = re.sub(rf"(?<![\w%(]){name}\b(?!__)", f"column{number}", sql)
    return sql


class _Part:
    """The parts of a key, one after the other."""

    def __init__(self) -> None:
        self._place = -1

    def __call__(self, _: "re.Match[str]") -> str:
        self._place += 1
        return f"json_extract(key.value, '$[{self._place}]')"
