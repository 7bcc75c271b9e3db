"""Reading the configuration anew: whole or not at all, one at a time, and told either way."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.service.background import BackgroundRecorder, WorkerThread
from controller.service.reloading import ConfigurationInForce, Reloader
from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.reload_events import ASKED, LOADED, REFUSED, UNCHANGED
from monitor.storage.database import DatabaseError, open_writer
from monitor.storage.store import Store

GOOD = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{interval: {interval}}}
providers:
  openai: {{dialect: openai-chat, api_key: "${{OPENAI_API_KEY}}", models: {{a: {{}}}}}}
  groq: {{preset: groq, api_key: "${{file:{folder}/key}}", models: {{b: {{}}}}}}
routes: {{chat: {{candidates: [openai/a, groq/b]}}}}
"""
ENVIRON = {"OPENAI_API_KEY": "a-key-of-nobody-0123"}


class Lab:
    """A reloader over real files and a real database; `applied` has what came into force."""

    def __init__(self, folder: Path, apply: Callable[[Settings], Awaitable[None]] | None = None) -> None:
        self.folder, self.path, self.key = folder, folder / "hotspare.yaml", folder / "key"
        self.key.write_text("the-first-key-0123\n")
        self.write()
        self.applied: list[Settings] = []
        self.store = Store(open_writer(f"sqlite:///{folder}/hotspare.db"))
        self.database = WorkerThread("test")
        started = load(self.path, ENVIRON)
        self.configuration = ConfigurationInForce(started, datetime.now(UTC))
        self.reloader = Reloader(
            configuration=self.configuration,
            environ=ENVIRON,
            apply=apply or self._apply,
            beat=lambda: None,
            recorder=BackgroundRecorder(store=self.store, database=self.database, clock=lambda: datetime.now(UTC)),
            look_s=0.05,
        )

    async def _apply(self, settings: Settings) -> None:
        self.applied.append(settings)

    def write(self, interval: str = "30s", *, more: str = "") -> None:
        """A good configuration, unless `more` spoils it."""
        self.path.write_text(GOOD.format(folder=self.folder, interval=interval) + more)

    def told(self) -> list[tuple[str, str]]:
        """The kinds and texts of all events."""
        self.database.shutdown()
        return [(event.kind, event.text) for event in self.store.events_after(0)[1]]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Run it until this holds."""
        running = asyncio.create_task(self.reloader.run())
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 - what it waits for says nothing
                await asyncio.sleep(0.01)
        running.cancel()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """One lab."""
    return Lab(tmp_path)


async def test_what_differs_comes_into_force_and_is_told(lab: Lab) -> None:
    """With its revision, and that keys in the environment stay as they were."""
    lab.write("1m")
    await lab.reloader.reload(asked=True)
    [applied] = lab.applied
    assert applied.targets[0].interval_s == 60
    assert lab.configuration.settings is applied
    [(kind, text)] = lab.told()
    assert kind == LOADED
    assert f"(revision {applied.revision}) is in force" in text
    assert "(OPENAI_API_KEY) is as it was at the start: only a restart reads it anew" in text


async def test_what_has_changed_before_it_begins_to_look_counts(lab: Lab) -> None:
    """A start takes its time."""
    lab.write("1m")
    await lab.until(lambda: bool(lab.applied))
    assert [kind for kind, _ in lab.told()] == [LOADED]


async def test_the_same_again_is_said_only_to_who_asked(lab: Lab) -> None:
    """Nothing is applied, but the revision is that of the file, whatever its remarks say."""
    await lab.reloader.reload(asked=False)
    lab.write(more="# a remark")
    await lab.reloader.reload(asked=True)
    assert lab.applied == []
    assert lab.configuration.settings.revision == load(lab.path, ENVIRON).revision
    assert [kind for kind, _ in lab.told()] == [UNCHANGED]


async def test_a_key_in_a_file_is_read_anew(lab: Lab) -> None:
    """The file of the key is watched like the configuration."""
    running = asyncio.create_task(lab.until(lambda: bool(lab.applied)))
    await asyncio.sleep(0.2)
    lab.key.write_text("the-second-key-4567\r\n")
    await running
    assert lab.applied[-1].targets[1].provider.api_key.reveal() == "the-second-key-4567"


def replace_with_folder(lab: Lab) -> None:
    """A folder in the file's place."""
    lab.path.unlink()
    lab.path.mkdir()


def replace_key_with_folder(lab: Lab) -> None:
    """A folder in the place of a key."""
    lab.key.unlink()
    lab.key.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lab: lab.path.unlink(), "there is no such file"),
        (lambda lab: lab.path.write_text(""), "is empty"),
        (lambda lab: lab.path.write_text(lab.path.read_text()[:200]), "expected"),
        (lambda lab: lab.path.write_bytes(b"\xff\xfe\x00"), "is not UTF-8"),
        (lambda lab: lab.path.write_text("a: b\n" * 400_000), "is larger than 1 MiB"),
        (replace_with_folder, "is a folder"),
        (lambda lab: lab.write(more="bogus: 1\n"), "bogus: unknown key"),
        (lambda lab: lab.write(more="budget: {usd_per_month: ${CAP}}\n"), "sees no new variable: restart it with CAP"),
        (lambda lab: lab.write(more="controller: {dry_run: true}\n"), "controller.dry_run cannot change while"),
        (
            lambda lab: lab.path.write_text(lab.path.read_text().replace("routing.json", "other.json")),
            "routing_file cannot change while the service runs; restart it, or take the change back",
        ),
        (lambda lab: lab.key.unlink(), "is not there; mount it"),
        (lambda lab: lab.key.write_text("\n"), "is empty; expected a value"),
        (lambda lab: lab.key.write_text("x" * 1_000_000), "is larger than 16 KiB"),
        (replace_key_with_folder, "is a folder; expected a file"),
    ],
)
async def test_a_bad_one_changes_nothing_and_is_told_once(lab: Lab, spoil: Callable[[Lab], object], said: str) -> None:
    """The old one stays in force, with the reason; once it is mended, that is over."""
    before = lab.configuration.settings
    spoil(lab)
    await lab.reloader.reload(asked=False)
    await lab.reloader.reload(asked=False)
    assert lab.applied == []
    assert lab.configuration.settings is before
    assert said in (lab.configuration.refused or "")
    assert (lab.configuration.refused or "").endswith(f"revision {before.revision} stays in force")
    for path in (lab.path, lab.key):
        if path.is_dir():
            path.rmdir()
    lab.key.write_text("the-first-key-0123\n")
    lab.write()
    await lab.reloader.reload(asked=False)
    assert lab.configuration.refused is None
    kinds = [kind for kind, _ in lab.told()]
    assert kinds == [REFUSED, REFUSED, UNCHANGED]


async def test_what_cannot_be_applied_is_refused(tmp_path: Path) -> None:
    """The database cannot be read in this moment: the next reload may do better."""

    async def fail(_: Settings) -> None:
        raise DatabaseError("database x is locked")

    lab = Lab(tmp_path, fail)
    before = lab.configuration.settings
    lab.write("1m")
    await lab.reloader.reload(asked=False)
    assert lab.configuration.settings is before
    assert "is not applied: database x is locked" in (lab.configuration.refused or "")


async def test_many_at_once_are_applied_one_by_one(tmp_path: Path) -> None:
    """What is asked for while one is applied is answered by the next, which reads the file as it is then."""
    under_way, most, applied = 0, 0, list[float]()

    async def apply(settings: Settings) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if len(applied) < 5:
            one.write(f"{len(applied) + 40}s")
            for _ in range(10):
                one.reloader.ask()
        await asyncio.sleep(0.02)
        applied.append(settings.targets[0].interval_s)
        under_way -= 1

    one = Lab(tmp_path, apply)
    one.write("39s")
    one.reloader.ask()
    await one.until(lambda: len(applied) == 6)
    assert most == 1
    assert applied == [39, 40, 41, 42, 43, 44]


async def test_a_link_that_is_swapped_counts_as_a_change(lab: Lab) -> None:
    """As Kubernetes mounts a ConfigMap: the name stays, and a folder's link leads elsewhere."""
    for name, interval in (("one", "30s"), ("two", "2m")):
        (lab.folder / name).mkdir()
        (lab.folder / name / "hotspare.yaml").write_text(GOOD.format(folder=lab.folder, interval=interval))
    (lab.folder / "data").symlink_to("one")
    lab.path.unlink()
    lab.path.symlink_to("data/hotspare.yaml")
    running = asyncio.create_task(lab.until(lambda: bool(lab.applied)))
    await asyncio.sleep(0.2)
    (lab.folder / "next").symlink_to("two")
    (lab.folder / "next").replace(lab.folder / "data")
    await running
    assert lab.applied[-1].targets[0].interval_s == 120


async def test_a_file_that_goes_on_changing_is_left_alone(lab: Lab) -> None:
    """Until it is still: what is half written would be refused."""
    running = asyncio.create_task(lab.until(lambda: bool(lab.applied or lab.configuration.refused)))
    await asyncio.sleep(0.1)
    text = GOOD.format(folder=lab.folder, interval="3m")
    with lab.path.open("w") as file:
        for start in range(0, len(text), 20):
            file.write(text[start : start + 20])
            file.flush()
            await asyncio.sleep(0.03)
    await running
    assert lab.configuration.refused is None
    assert lab.applied[-1].targets[0].interval_s == 180


async def test_people_ask_through_the_database(lab: Lab) -> None:
    """`hotspare reload` needs no process id, and no signal that may reach somebody else."""
    lab.store.add_event(datetime.now(UTC), ASKED, "ana", "before the start: of no use now")
    running = asyncio.create_task(lab.until(lambda: bool(lab.applied)))
    await asyncio.sleep(0.2)
    stamp = lab.path.stat()
    lab.write("31s")
    os.utime(lab.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    lab.store.add_event(datetime.now(UTC), ASKED, "ana", "now")
    await running
    assert lab.applied[-1].targets[0].interval_s == 31
