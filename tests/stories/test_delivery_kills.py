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
from tests.support.alert_world import TOKEN, AlertWorld, changed, misconfigured, outage, over, shown
from tests.support.paths import ROOT
from tests.support.pending_reports import untold_incidents
from tests.support.slack_server import SlackServer

pytestmark = pytest.mark.slow


KILLS = 200
#: A process dies after so many calls of the database and of Slack at the most; a message takes about four.
MOST_STEPS = 12
SEED = 1


class Happenings:
    """What happens meanwhile: incidents open, go on and end, operators pin routes; each with a word of its own."""

    def __init__(self, world: AlertWorld, seed: int) -> None:
        self.world, self.dice = world, random.Random(seed)
        self.lines: list[str] = []
        """The words of timelines."""
        self.events: list[str] = []
        self.number = 0

    def word(self) -> str:
        """A word that nothing else contains."""
        self.number += 1
        return f"word-{self.number}-"

    def next(self) -> None:
        """One thing happens."""
        still_open = [incident for incident in self.world.journal.open_incidents() if len(incident.timeline) < 8]
        unknown = {row.id for row in untold_incidents(self.world.journal) if row.told_revision == 0}
        dice = self.dice.random()
        if not still_open or dice < 0.15:
            self.open()
        elif dice < 0.3:
            self.events.append(self.word())
            self.world.happen(self.events[-1], at=datetime.now(UTC))
        elif dice < 0.45 and (known := [incident for incident in still_open if incident.id not in unknown]):
            self.world.keep(over(self.dice.choice(known), at=datetime.now(UTC)))
        else:
            self.go_on(self.dice.choice(still_open))

    def open(self) -> None:
        """A provider fails, or a key is refused: the second is told by itself, the first perhaps under another."""
        make = self.dice.choice([outage, misconfigured])
        incident = make(f"p{self.number}", at=datetime.now(UTC))
        self.lines.append(self.word())
        (line,) = incident.timeline
        self.world.keep(replace(incident, timeline=(replace(line, text=self.lines[-1]),)))

    def go_on(self, incident: Incident) -> None:
        """A line more in its timeline."""
        self.lines.append(self.word())
        line = TimelineEntry(at=datetime.now(UTC), text=self.lines[-1], kind=EntryKind.HEALTH)
        self.world.keep(changed(incident, line))


@pytest.mark.timeout(400)
def test_two_hundred_kills(tmp_path: Path) -> None:
    """Each headline, each line of each timeline and each notice is in Slack exactly once."""
    with SlackServer(token=TOKEN) as server:
        world = AlertWorld(tmp_path, server, most_per_hour=3600)
        world.live()
        happenings = Happenings(world, SEED)
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
                happenings.next()
                print(happenings.dice.randint(1, MOST_STEPS), file=child.stdin, flush=True)
                assert child.stdout.readline() == "killed\n"
            child.stdin.close()
        interrupted = len(server.everything)
        for _ in range(200):
            world.at_s += 60
            world.round()
        assert world.told()
        world.engine.dispose()
    looked = sum(call in {"conversations.history", "conversations.replies"} for call in server.calls)
    assert interrupted, "some of it arrived before the last kill"
    assert looked, "some of the kills came in the midst of it"
    assert_told_once(server, world, happenings)


def assert_told_once(server: SlackServer, world: AlertWorld, happenings: Happenings) -> None:
    """All messages and replies as they were when they were new contain each word once."""
    new = "\n".join(shown(message.versions[0].blocks) for message in server.everything)
    counts = {word: new.count(word) for word in (*happenings.lines, *happenings.events)}
    assert {word: count for word, count in counts.items() if count != 1} == {}
    headlines = [message for message in server.messages if "Incident " in shown(message.versions[0].blocks)]
    leads = [one for one in world.journal.incidents(1000) if one.lead_id is None]
    assert len(headlines) == len(leads)
    assert len(server.messages) == len(leads) + len(happenings.events)
