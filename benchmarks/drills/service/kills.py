"""kill -9 of the running service at random moments, while outages come and go, and what must hold all the same."""

import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.reliability.lab import FIRST, BrokenPromiseError, Lab
from tests.support.alert_world import shown
from tests.support.slack_server import SlackServer

#: A service is killed so long after it was started: some die before their first file, some in the midst of an outage.
_LIVES_S: Final = ((0.2, 2.0), (2.0, 9.0), (2.0, 9.0))
#: The chance that the first provider begins to fail, or answers again, while a service runs.
_TURNS: Final = 0.3
_TOKEN: Final = "xoxb-nobody"  # noqa: S105 - made up
_HEADLINE: Final = re.compile(r"Incident (\d+)\b")


@dataclass(kw_only=True)
class KillReport:
    """What so many kills came to."""

    kills: int = 0
    decisions: int = 0
    incidents: int = 0
    messages: int = 0
    files: int = 0
    """Routing files that were read while the services ran and died."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold."""


def kill_often(kills: int, seed: int) -> Iterator[KillReport]:
    """The report after each kill; the last one is that of the end, when all is well again."""
    report, dice = KillReport(), random.Random(seed)
    with TemporaryDirectory() as name, SlackServer(token=_TOKEN) as slack:
        lab = Lab(Path(name), disks=False, faked_time=False, slack_url=slack.url, may_vanish=False)
        try:
            for report.kills in range(1, kills + 1):
                report.wrong += _live_and_die(lab, dice)
                report.files = lab.watch.reads
                yield report
            lab.servers.failing = set()
            lab.start()
            lab.until(lab.both_up, "both targets up in the end")
            lab.until(lambda: not _untold(lab.database), "people told of everything")
            lab.stop(lab.processes[-1])
        except BrokenPromiseError as error:
            report.wrong.append(str(error))
        finally:
            lab.close()
        report.files, report.messages = lab.watch.reads, len(slack.everything)
        report.wrong += lab.watch.wrong
        with closing(sqlite3.connect(lab.database)) as database:
            database.row_factory = sqlite3.Row
            decisions = database.execute("SELECT * FROM decisions ORDER BY id").fetchall()
            incidents = database.execute("SELECT * FROM incidents ORDER BY id").fetchall()
            report.wrong += [text for (text,) in database.execute("PRAGMA integrity_check") if text != "ok"]
        report.decisions, report.incidents = len(decisions), len(incidents)
        report.wrong += [*_broken_chain(decisions), *_untold_incidents(incidents, _first_versions(slack))]
        yield report


def _live_and_die(lab: Lab, dice: random.Random) -> list[str]:
    """One service, from its start to its death; what did not hold."""
    before, written = lab.journalled(), lab.table().get("written_at")
    service, life_s = lab.start(), dice.uniform(*dice.choice(_LIVES_S))
    ends = time.monotonic() + life_s
    turns = ends - life_s * dice.random() if dice.random() < _TURNS else ends
    wrong, published = list[str](), False
    while time.monotonic() < ends and service.poll() is None:
        if time.monotonic() >= turns:
            lab.servers.failing, turns = {"one"} ^ lab.servers.failing, ends
        if not published and lab.table().get("written_at") != written:
            published = True
            if lab.table()["generation"] < before:
                wrong.append(f"published generation {lab.table()['generation']}, journalled was {before}")
        time.sleep(0.005)
    if service.poll() is not None:
        wrong.append(f"a service ended by itself: exit code {service.returncode}")
    service.kill()
    service.wait()
    lab.processes.remove(service)
    return wrong


def _untold(database: Path) -> int:
    """How many incidents are open, or not told to their end, and events that are not told."""
    untold = (
        "SELECT COUNT(*) FROM incidents WHERE resolved_ms IS NULL OR told_revision < revision",
        "SELECT COUNT(*) FROM events WHERE telling = 'due'",
    )
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        return sum(int(connection.execute(query).fetchone()[0]) for query in untold)


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


def _first_versions(slack: SlackServer) -> list[str]:
    return [str(shown(message.versions[0].blocks)) for message in slack.messages]


def _untold_incidents(incidents: Iterable[Any], messages: Iterable[str]) -> Iterator[str]:
    """Incidents that have no message of their own, or more than one and another each time that they opened again."""
    told = Counter(int(found[1]) for text in messages if (found := _HEADLINE.search(text)))
    for incident in incidents:
        count, opened = told[incident["id"]], 1 + incident["reopened"]
        if incident["lead_id"] is None and not 1 <= count <= opened:
            yield f"incident {incident['id']} has {count} messages and was opened {opened} times"
