"""kill -9 after any step of a delivery, two hundred times: no incident without its messages, and none of them twice."""

import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.incidents.incident import EntryKind, Incident, TimelineEntry
from tests.support.alert_world import TOKEN, Desk, changed, misconfigured, outage, over, shown
from tests.support.paths import ROOT
from tests.support.slack_server import SlackServer
from tests.support.untold import untold_incidents

pytestmark = pytest.mark.slow


KILLS = 200
#: A process dies after so many calls of the database and of Slack at the most; a message takes about four.
MOST_STEPS = 12
SEED = 1


class Life:
    """What happens meanwhile: incidents open, go on and end, operators lay their hand on; each word of it is unique."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.dice = desk, random.Random(seed)
        self.said: list[str] = []
        self.events: list[str] = []
        self.number = 0

    def word(self) -> str:
        """A word that nothing else says."""
        self.number += 1
        return f"word-{self.number}-"

    def goes_on(self) -> None:
        """One thing happens."""
        there = [one for one in self.desk.journal.open_incidents() if len(one.timeline) < 8]
        told = {one.id for one in untold_incidents(self.desk.journal) if one.told_revision == 0}
        dice = self.dice.random()
        if not there or dice < 0.15:
            self.opens()
        elif dice < 0.3:
            self.events.append(self.word())
            self.desk.happen(self.events[-1], at=datetime.now(UTC))
        elif dice < 0.45 and (heard := [one for one in there if one.id not in told]):
            self.desk.keep(over(self.dice.choice(heard), at=datetime.now(UTC)))
        else:
            self.continues(self.dice.choice(there))

    def opens(self) -> None:
        """A provider fails, or a key is refused: the second is told by itself, the first perhaps under another."""
        make = self.dice.choice([outage, misconfigured])
        incident = make(f"p{self.number}", at=datetime.now(UTC))
        self.said.append(self.word())
        (line,) = incident.timeline
        self.desk.keep(replace(incident, timeline=(replace(line, text=self.said[-1]),)))

    def continues(self, incident: Incident) -> None:
        """A line more in its timeline."""
        self.said.append(self.word())
        line = TimelineEntry(at=datetime.now(UTC), text=self.said[-1], kind=EntryKind.HEALTH)
        self.desk.keep(changed(incident, line))


def test_two_hundred_kills(tmp_path: Path) -> None:
    """Each headline, each line of each timeline and each notice is in Slack exactly once."""
    with SlackServer(token=TOKEN) as server:
        desk = Desk(tmp_path, server, most_per_hour=3600)
        desk.live()
        life = Life(desk, SEED)
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.slack_process",
                f"sqlite:///{tmp_path}/hotspare.db",
                server.url,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
        ) as child:
            assert child.stdin
            assert child.stdout
            for _ in range(KILLS):
                life.goes_on()
                print(life.dice.randint(1, MOST_STEPS), file=child.stdin, flush=True)
                assert child.stdout.readline() == "killed\n"
            child.stdin.close()
        interrupted = len(server.everything)
        for _ in range(200):
            desk.at_s += 60
            desk.round()
        assert desk.told()
        desk.engine.dispose()
    looked = sum(call in {"conversations.history", "conversations.replies"} for call in server.calls)
    assert interrupted, "some of it arrived before the last kill"
    assert looked, "some of the kills came in the midst of it"
    assert_told_once(server, desk, life)


def assert_told_once(server: SlackServer, desk: Desk, life: Life) -> None:
    """What every message and reply said when it was new, taken together, says each word once."""
    new = "\n".join(shown(message.versions[0].blocks) for message in server.everything)
    counts = {word: new.count(word) for word in (*life.said, *life.events)}
    assert {word: count for word, count in counts.items() if count != 1} == {}
    headlines = [message for message in server.messages if "Incident " in shown(message.versions[0].blocks)]
    leads = [one for one in desk.journal.incidents(1000) if one.lead_id is None]
    assert len(headlines) == len(leads)
    assert len(server.messages) == len(leads) + len(life.events)
