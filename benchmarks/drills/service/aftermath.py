"""What must hold of journal, observations and messages after a service was killed, however often."""

import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.drills.service.stored_probes import check_probes
from benchmarks.reliability.lab import FIRST, Lab
from monitor.storage.held_file import held_file_of
from tests.support.alert_world import shown
from tests.support.slack_server import SlackServer

TOKEN: Final = "xoxb-nobody"  # noqa: S105 - made up
_HEADLINE: Final = re.compile(r"Incident (\d+)\b")


@dataclass(kw_only=True)
class KillReport:
    """What so many kills came to."""

    kills: int = 0
    decisions: int = 0
    incidents: int = 0
    messages: int = 0
    answers: int = 0
    """Of providers, to probes."""
    probes: int = 0
    """That are stored, without an answer as well."""
    lost_s: list[float] = field(default_factory=list)
    """Of each answer that was not stored any more: how long before the last answer that its service got."""
    files: int = 0
    """Routing files that were read while the services ran and died."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold."""

    def __add__(self, other: "KillReport") -> "KillReport":
        """Of both."""
        names = self.__dataclass_fields__
        return KillReport(**{name: getattr(self, name) + getattr(other, name) for name in names})


def untold(database: Path, *, with_open: bool = True) -> int:
    """How many incidents are not told to their end, and events that are not told; and how many are open."""
    queries = (
        "SELECT COUNT(*) FROM incidents WHERE told_revision < revision OR (? AND resolved_ms IS NULL)",
        "SELECT COUNT(*) FROM events WHERE telling = 'due' AND ? IS NOT NULL",
    )
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        return sum(int(connection.execute(query, [with_open]).fetchone()[0]) for query in queries)


def held_by(lab: Lab) -> set[str]:
    """The request ids of what waits beside the routing file, once its service has died: none of it may be lost."""
    return {each.request_id for each in held_file_of(lab.routing).read() if each.request_id}


def look_back(lab: Lab, slack: SlackServer, report: KillReport, held: Collection[str]) -> None:
    """Add what the database, Slack and the reader of the routing file have seen; nothing runs any more.

    `held`: what `held_by` found after each death.
    """
    try:
        _look_back(lab, slack, report, held)
    except sqlite3.Error as error:
        report.wrong.append(f"the database cannot be read: {error}")


def _look_back(lab: Lab, slack: SlackServer, report: KillReport, held: Collection[str]) -> None:
    with closing(sqlite3.connect(lab.database)) as database:
        database.row_factory = sqlite3.Row
        decisions = database.execute("SELECT * FROM decisions ORDER BY id").fetchall()
        incidents = database.execute("SELECT * FROM incidents ORDER BY id").fetchall()
        found = check_probes(database, lab.servers.answers, held, held_by(lab))
        report.wrong += [text for (text,) in database.execute("PRAGMA integrity_check") if text != "ok"]
    report.files, report.messages = lab.watch.reads, len(slack.everything)
    report.decisions, report.incidents = len(decisions), len(incidents)
    report.wrong += [*lab.watch.wrong, *_broken_chain(decisions), *wrongly_told(incidents, slack)]
    report.answers, report.probes, report.lost_s = len(lab.servers.answers), found.stored, found.lost_s
    report.wrong += found.wrong


def _broken_chain(decisions: Iterable[sqlite3.Row]) -> Iterator[str]:
    """Where the journal has a decision twice, or one that does not begin where the last one ended."""
    target, generation = None, 0
    for each in decisions:
        if each["generation"] <= generation:
            yield f"decision {each['id']}: generation {each['generation']} after {generation}"
        if target and each["before"] != target:
            yield f"decision {each['id']}: from {each['before']}, the route was on {target}"
        target, generation = each["target"], each["generation"]
    if target != FIRST:
        yield f"the route ends on {target}"


def wrongly_told(incidents: Iterable[Any], slack: SlackServer) -> Iterator[str]:
    """Incidents that have no message of their own, or more than one and another each time that they opened again."""
    messages = [str(shown(message.versions[0].blocks)) for message in slack.messages]
    told = Counter(int(found[1]) for text in messages if (found := _HEADLINE.search(text)))
    for incident in incidents:
        count, opened = told[incident["id"]], 1 + incident["reopened"]
        if incident["lead_id"] is None and not 1 <= count <= opened:
            yield f"incident {incident['id']} has {count} messages and was opened {opened} times"
