"""The writer of the routing file: what it writes, that it is never half there, and what it says when it fails."""

import errno
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hotspare_client import table as client_table

from benchmarks import routing as routing_benchmark
from controller.routing import routing_file
from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import NO_OVERRIDES, Override, OverrideKind, Overrides
from controller.routing.routing_file import RoutingFile, RoutingFileError, build_table
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.detection.latency import LatencyBaseline, LatencyEvidence
from monitor.health import Health
from probes.target import Provider, Secret, Target
from tests.support.paths import DATA, ROOT

GOLDEN = DATA / "golden" / "routing.json"
SCHEMA = json.loads((ROOT / "controller" / "routing" / "routing.schema.json").read_text())

LUNA = "openai/gpt-6-luna"
HAIKU = "anthropic/claude-haiku-5-5"
KEY = "sk-the-key-itself"


def provider(name: str, dialect: str, base_url: str) -> Provider:
    """A provider whose key came from a variable named after it."""
    return Provider(
        name=name, dialect=dialect, base_url=base_url, api_key=Secret(KEY), api_key_env=f"{name.upper()}_API_KEY"
    )


OPENAI = provider("openai", "openai-chat", "https://api.openai.com/v1")
ANTHROPIC = provider("anthropic", "anthropic", "https://api.anthropic.com")
SETTINGS = Settings(
    path=Path("hotspare.yaml"),
    targets=(
        Target(provider=OPENAI, model="gpt-6-luna"),
        Target(provider=OPENAI, model="not-on-any-route"),
        Target(provider=ANTHROPIC, model="claude-haiku-5-5"),
    ),
    routes=(Route(name="chat", candidates=(LUNA, HAIKU)),),
)
CHAT = Decision(
    route="chat",
    target=HAIKU,
    at=datetime(2026, 11, 21, 17, 58, 41, 120_999, tzinfo=UTC),
    reason=f"{LUNA} is down: fails 64 % of its requests (9 of 14 probes in 41 s; server_error)",
    move=MoveKind.FAILOVER,
)
LEARNED = LatencyEvidence(usual={"chat": LatencyBaseline(usual_s=0.9, high_s=2.6, answers=20_000)})


def a_table(
    chat: Decision = CHAT, settings: Settings = SETTINGS, generation: int = 42, overrides: Overrides = NO_OVERRIDES
) -> dict[str, Any]:
    """The table of design 6.2, with both targets judged and the times of one of them known."""
    return build_table(
        settings,
        {"chat": chat},
        {LUNA: Health.DOWN, HAIKU: Health.UP},
        generation=generation,
        written_at=datetime(2026, 11, 21, 18, 0, tzinfo=UTC),
        valid_for_s=90.0,
        overrides=overrides,
        latency={HAIKU: LEARNED},
    )


def check_schema(table: object) -> None:
    """Raise when `table` breaks the contract, or the contract is no JSON Schema."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(table)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the routing file goes: a folder that does not exist yet."""
    return tmp_path / "var" / "routing.json"


# What is written


def test_published_bytes_are_golden(path: Path) -> None:
    """The published file is, byte for byte, what applications were promised."""
    RoutingFile(path).publish(a_table())
    assert path.read_bytes() == GOLDEN.read_bytes()


def test_golden_file_obeys_schema() -> None:
    """The golden file is valid under the schema that the client and everybody else relies on."""
    check_schema(json.loads(GOLDEN.read_text()))


def test_schema_allows_added_keys_everywhere() -> None:
    """A key that format 1 does not have yet may appear at every level."""
    table = a_table()
    for place in (table, table["routes"]["chat"], table["targets"][HAIKU]):
        place["added_later"] = {"anything": 1}
    check_schema(table)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda t: t.update(format="hotspare.routing/2"), id="another format"),
        pytest.param(lambda t: t.update(generation="42"), id="a generation that is a text"),
        pytest.param(lambda t: t.update(written_at="2026-11-21 18:00"), id="a time without zone"),
        pytest.param(lambda t: t.update(valid_for_s=0), id="a promise of no time at all"),
        pytest.param(lambda t: t.pop("targets"), id="no targets"),
        pytest.param(lambda t: t["routes"]["chat"].update(weights={}), id="a route without weights"),
        pytest.param(lambda t: t["routes"]["chat"].update(target="luna"), id="a target id without provider"),
        pytest.param(lambda t: t["targets"][HAIKU].pop("base_url"), id="a target without base URL"),
        pytest.param(lambda t: t["targets"][HAIKU].update(drained="no"), id="a drain that is a text"),
        pytest.param(lambda t: t["targets"][HAIKU]["limits"].update(stall_s=0), id="a limit of no time at all"),
    ],
)
def test_schema_refuses(spoil: Callable[[dict[str, Any]], object]) -> None:
    """The schema is strict about what readers rely on."""
    table = a_table()
    spoil(table)
    with pytest.raises(jsonschema.ValidationError):
        check_schema(table)


def test_unjudged_target_is_unknown_and_route_without_state_is_left_out() -> None:
    """Before the first verdicts the file is valid, and says nothing that nobody knows."""
    table = build_table(SETTINGS, {}, {}, generation=0, written_at=CHAT.at, valid_for_s=90)
    assert (table["routes"], table["targets"]) == ({}, {})
    check_schema(table)
    table = build_table(SETTINGS, {"chat": CHAT}, {}, generation=1, epoch=3, written_at=CHAT.at, valid_for_s=90)
    assert table["epoch"] == 3
    assert {target["health"] for target in table["targets"].values()} == {"unknown"}
    check_schema(table)


def test_targets_hold_a_target_that_is_no_candidate_any_more() -> None:
    """While a route still points at a target that left its candidates, readers find it described."""
    settings = replace(SETTINGS, routes=(Route(name="chat", candidates=(LUNA,)),))
    assert list(a_table(settings=settings)["targets"]) == [LUNA, HAIKU]


def test_a_failback_in_steps_has_its_weights() -> None:
    """In percent, whole where they are whole; targets that get a share are described, candidates or not."""
    chat = replace(CHAT, weights=((LUNA, 12.5), (HAIKU, 87.5)))
    settings = replace(SETTINGS, routes=(Route(name="chat", candidates=(HAIKU,)),))
    table = a_table(chat, settings=settings)
    assert (table["routes"]["chat"]["target"], list(table["targets"])) == (HAIKU, [LUNA, HAIKU])
    assert table["routes"]["chat"]["weights"] == {LUNA: 12.5, HAIKU: 87.5}
    check_schema(table)
    whole = a_table(replace(CHAT, weights=((LUNA, 10.0), (HAIKU, 90.0))))["routes"]["chat"]["weights"]
    assert json.dumps(whole) == json.dumps({LUNA: 10, HAIKU: 90})


def test_how_much_a_target_takes_is_there_where_it_is_known() -> None:
    """As configured, or as the price list knows it; nothing where nobody does."""
    targets = (replace(SETTINGS.targets[0], context=16_000), *SETTINGS.targets[1:])
    assert [
        target.get("context") for target in a_table(settings=replace(SETTINGS, targets=targets))["targets"].values()
    ] == [
        16_000,
        None,
    ]


@pytest.mark.parametrize("subject", [LUNA, "openai"])
def test_a_drained_target_says_so(subject: str) -> None:
    """Whether an operator drained it or its provider; all others say that they are not."""
    until = CHAT.at + timedelta(hours=1)
    drain = Override(kind=OverrideKind.DRAIN, subject=subject, author="a", reason="b", at=CHAT.at, until=until)
    targets = a_table(overrides=Overrides(active=(drain,)))["targets"]
    assert {name: target["drained"] for name, target in targets.items()} == {LUNA: True, HAIKU: False}


def test_a_dry_run_says_so() -> None:
    """A key that is there in a dry run only."""
    dry = replace(SETTINGS, controller=ControllerSettings(dry_run=True))
    assert a_table(settings=dry)["dry_run"] is True
    check_schema(a_table(settings=dry))
    assert "dry_run" not in a_table()


def test_target_unknown_to_the_configuration_is_an_error() -> None:
    """A route must not be published with a target that readers cannot look up."""
    with pytest.raises(KeyError, match="gone/model"):
        a_table(replace(CHAT, target="gone/model"))


def test_times_are_utc_with_milliseconds() -> None:
    """A time in another zone is written as the same instant in UTC, cut (not rounded) to milliseconds."""
    since = datetime(2026, 11, 21, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert a_table(replace(CHAT, at=since))["routes"]["chat"]["since"] == "2026-11-21T18:29:59.999Z"


def test_valid_for_keeps_its_fraction() -> None:
    """A demo's fraction of a second is not rounded away."""
    table = build_table(SETTINGS, {"chat": CHAT}, {}, generation=1, written_at=CHAT.at, valid_for_s=4.5)
    assert table["valid_for_s"] == 4.5
    check_schema(table)


def test_key_is_never_written(path: Path) -> None:
    """The file names the variable of a key, or null, never the key."""
    literal = replace(ANTHROPIC, api_key_env=None)
    targets = (SETTINGS.targets[0], Target(provider=literal, model="claude-haiku-5-5"))
    table = a_table(settings=replace(SETTINGS, targets=targets))
    RoutingFile(path).publish(table)
    assert KEY not in path.read_text()
    assert table["targets"][HAIKU]["api_key_env"] is None
    check_schema(table)


def test_peculiarities_are_there_where_there_are_any(path: Path) -> None:
    """What an application needs to reach an unusual provider; nothing more for all the others."""
    signed = replace(ANTHROPIC, dialect="bedrock", region="us-east-1", signing=True, api_key_env=None)
    azure = replace(SETTINGS.targets[0].provider, dialect="azure-openai", api_version="2024-10-21")
    targets = (replace(SETTINGS.targets[0], provider=azure), Target(provider=signed, model="claude-haiku-5-5"))
    table = a_table(settings=replace(SETTINGS, targets=targets))
    RoutingFile(path).publish(table)
    assert {"region": "us-east-1", "signing": True}.items() <= table["targets"][HAIKU].items()
    assert table["targets"][targets[0].id]["api_version"] == "2024-10-21"
    assert not {"preset", "region", "api_version", "signing"} & a_table()["targets"][HAIKU].keys()
    check_schema(table)


def test_hostile_reason_stays_one_text(path: Path) -> None:
    """Control characters, quotes, other scripts and lone surrogates in a reason leave a file that can be read."""
    reason = 'said "\x00\x1b[31m\n</script>" × 9, 日本, \ud800'
    RoutingFile(path).publish(a_table(replace(CHAT, reason=reason)))
    assert json.loads(path.read_bytes())["routes"]["chat"]["reason"] == reason.replace("\ud800", "?")


def test_format_is_the_client_s_format() -> None:
    """Writer, client and schema speak of the same format."""
    assert routing_file.FORMAT == client_table.FORMAT == SCHEMA["properties"]["format"]["const"]


# Publishing


def test_published_file_is_readable_by_everybody_and_alone(path: Path) -> None:
    """The file has mode 0644 whatever the umask, and no temporary file stays beside it."""
    before = os.umask(0o077)
    try:
        RoutingFile(path).publish(a_table())
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_publishing_replaces_the_inode(path: Path) -> None:
    """A reader that has the old file open goes on reading the old file, whole."""
    file = RoutingFile(path)
    file.publish(a_table(generation=1))
    with path.open() as old:
        file.publish(a_table(generation=2))
        assert json.load(old)["generation"] == 1
    assert file.read_generation() == 2


def test_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """Nobody can make the service overwrite a file elsewhere by putting a link in its place."""
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "routing.json"
    elsewhere.write_text("precious")
    link.symlink_to(elsewhere)
    RoutingFile(link).publish(a_table())
    assert elsewhere.read_text() == "precious"
    assert not link.is_symlink()


def test_leftovers_of_a_killed_writer_are_removed(path: Path) -> None:
    """The first publish removes temporary files of this routing file, and nothing that merely looks similar."""
    path.parent.mkdir()
    others = [".routing.json.swp", ".routing.json.tmp", ".other.json.abcd1234.tmp", "routing.json.abcd1234.tmp"]
    for name in (".routing.json.abcd_234.tmp", *others):
        (path.parent / name).write_text("{")
    (path.parent / ".routing.json.a_folder.tmp").mkdir()
    RoutingFile(path).publish(a_table())
    left = {entry.name for entry in path.parent.iterdir()}
    assert left == {"routing.json", ".routing.json.a_folder.tmp", *others}


ENDLESS_WRITER = """
import sys
from pathlib import Path
from benchmarks.routing import table
from controller.routing.routing_file import RoutingFile

file = RoutingFile(Path(sys.argv[1]))
for generation in range(1, 1_000_000):
    file.publish(table(generation))
    print(generation, flush=True)
"""


def test_killed_writer_leaves_a_whole_file(path: Path) -> None:
    """However a writer is killed, the file is whole and as new as the last publish that had returned."""
    for published in (3, 8, 13):
        command = [sys.executable, "-c", ENDLESS_WRITER, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _ in range(published):
                returned = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        table = json.loads(path.read_bytes())
        check_schema(table)
        assert table["generation"] >= returned
    RoutingFile(path).publish(a_table())
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
def test_no_torn_or_stale_read_under_fire(path: Path) -> None:
    """Four processes reading all the time never see a torn table, nor one older than what was published before."""
    seen = routing_benchmark.watch_publishes(path, publishes=300, readers=4)
    assert [(one.torn, one.stale, one.last) for one in seen] == [(0, 0, 300)] * 4
    assert all(one.generations > 1 for one in seen)


# Failing


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without the rights of root, which no permission stops."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """With a limit that makes the system refuse to write more than `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter; pytest's own can only be entered by their owner."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_failed_write_leaves_the_old_file(path: Path) -> None:
    """A write that fails half-way is an error for people; the old file stays and nothing else remains."""
    file = RoutingFile(path)
    file.publish(a_table())
    with largest_file(300), pytest.raises(RoutingFileError) as raised:
        file.publish(a_table(generation=43))
    assert str(raised.value) == (
        f"cannot publish the routing file {path}: the file would be larger than the system allows; "
        "raise the file size limit of the service"
    )
    assert path.read_bytes() == GOLDEN.read_bytes()
    assert list(path.parent.iterdir()) == [path]
    assert file.find_tampering() is None
    file.publish(a_table(generation=43))
    assert file.read_generation() == 43


def test_folder_that_may_not_be_written(open_folder: Path) -> None:
    """A read-only folder is named, and the old file stays."""
    path = open_folder / "routing.json"
    RoutingFile(path).publish(a_table())
    open_folder.chmod(0o555)
    with unprivileged(), pytest.raises(RoutingFileError) as raised:
        RoutingFile(path).publish(a_table(generation=43))
    assert str(raised.value) == (
        f"cannot publish the routing file {path}: no permission to write into {open_folder}; "
        "let the service's user write there"
    )
    assert path.read_bytes() == GOLDEN.read_bytes()


def test_path_is_a_folder(tmp_path: Path) -> None:
    """A folder at the path is said to be one, with a path that would work, and no temporary file remains."""
    path = tmp_path / "routing"
    path.mkdir()
    with pytest.raises(RoutingFileError) as raised:
        RoutingFile(path).publish(a_table())
    assert str(raised.value) == (
        f"cannot publish the routing file {path}: it is a folder; "
        f"give the path of a file inside it, such as {path}/routing.json"
    )
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("below", "said"),
    [
        pytest.param("file/routing.json", "{0}/file exists and is not a folder", id="the parent is a file"),
        pytest.param("file/a/routing.json", "a part of {0}/file/a is a file", id="a grandparent is a file"),
        pytest.param("loop/routing.json", "{0}/loop exists and is not a folder", id="the parent is a loop of links"),
        pytest.param(
            "loop/a/routing.json", "{0}/loop/a is a loop of symbolic links", id="a grandparent is a loop of links"
        ),
        pytest.param("n" * 300, "the name is too long", id="a name too long"),
    ],
)
def test_path_that_cannot_be(tmp_path: Path, below: str, said: str) -> None:
    """What stands in the way is said in a sentence, not in an errno."""
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(RoutingFileError) as raised:
        RoutingFile(tmp_path / below).publish(a_table())
    assert said.format(tmp_path) in str(raised.value)


def test_full_disk_is_said_in_words(path: Path) -> None:
    """A full disk, which no test can make on every machine, has its sentence; so has an error without a known cause."""
    assert routing_file._explain(path, OSError(errno.ENOSPC, "No space left on device")) == (
        f"cannot publish the routing file {path}: the disk is full; free some space under {path.parent}"
    )
    assert routing_file._explain(path, OSError(errno.ENXIO, "No such device or address")).endswith(
        "No such device or address; check the path and the disk"
    )


# Reading back


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"format": "hotspare.routing/1", "gener', id="torn"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
        pytest.param(b"[]", id="not an object"),
        pytest.param(b'{"generation": 7}', id="not ours"),
        pytest.param(b'{"format": "hotspare.routing/2", "generation": 7}', id="a newer format"),
        pytest.param(b'{"format": "hotspare.routing/1", "generation": "7"}', id="a text for a number"),
        pytest.param(b'{"format": "hotspare.routing/1", "generation": true}', id="true for a number"),
        pytest.param(b'{"format": "hotspare.routing/1", "generation": -7}', id="below zero"),
        pytest.param(b'{"format": "hotspare.routing/1", "generation": ' + b"7" * 5000 + b"}", id="a huge number"),
    ],
)
def test_generation_of_a_broken_file_is_zero(tmp_path: Path, content: bytes) -> None:
    """Whatever stands in the file, the service starts."""
    path = tmp_path / "routing.json"
    path.write_bytes(content)
    assert RoutingFile(path).read_generation() == 0


def test_generation_of_something_that_is_no_file_is_zero(tmp_path: Path) -> None:
    """A missing file, a folder and a FIFO give 0, and the FIFO does not wait for anyone."""
    os.mkfifo(tmp_path / "fifo")
    assert [RoutingFile(tmp_path / name).read_generation() for name in ("missing", ".", "fifo")] == [0, 0, 0]


# Hands other than ours


def _touch(path: Path) -> None:
    os.utime(path, (1, 1))


def _copy_back(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o644)


def _edit_in_place(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"generation": 42', b'"generation": 99'))
    os.utime(path, (1, 1))


def _become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _become_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        pytest.param(lambda path: path.unlink(), "was deleted by someone else", id="deleted"),
        pytest.param(
            lambda path: shutil.rmtree(path.parent), "was deleted by someone else", id="deleted with its folder"
        ),
        pytest.param(lambda path: path.write_text("{}"), "was changed by someone else", id="overwritten"),
        pytest.param(_edit_in_place, "was changed by someone else", id="edited to the same length"),
        pytest.param(
            lambda path: path.chmod(0o600),
            "was given permissions 0600 by someone else, expected 0644",
            id="hidden from readers",
        ),
        pytest.param(_become_fifo, "was replaced by something that is not a plain file", id="now a FIFO"),
        pytest.param(_become_link, "was replaced by something that is not a plain file", id="now a link"),
    ],
)
def test_meddling_is_told_and_repaired(path: Path, meddle: Callable[[Path], object], said: str) -> None:
    """Whatever somebody did to the file is said in a sentence, and the next publish puts it right."""
    file = RoutingFile(path)
    file.publish(a_table())
    assert file.find_tampering() is None
    meddle(path)
    assert file.find_tampering() == f"routing file {path} {said}"
    file.publish(a_table())
    assert file.find_tampering() is None
    assert path.read_bytes() == GOLDEN.read_bytes()


@pytest.mark.parametrize("meddle", [pytest.param(_touch, id="touched"), pytest.param(_copy_back, id="copied back")])
def test_same_content_is_not_meddling(path: Path, meddle: Callable[[Path], object]) -> None:
    """A backup tool that touches the file or restores it as it was raises no alarm, not even later."""
    file = RoutingFile(path)
    file.publish(a_table())
    meddle(path)
    assert file.find_tampering() is None
    assert file.find_tampering() is None


def test_folder_in_place_of_the_file_is_told_but_not_removed(path: Path) -> None:
    """A folder in our place may hold somebody's work: it is reported, and publishing says what to do."""
    file = RoutingFile(path)
    file.publish(a_table())
    _become_folder(path)
    assert file.find_tampering() == f"routing file {path} was replaced by something that is not a plain file"
    with pytest.raises(RoutingFileError, match="it is a folder"):
        file.publish(a_table())


def test_nothing_is_tampered_before_the_first_publish(tmp_path: Path) -> None:
    """What a former run or somebody else left there is not judged: the first publish replaces it anyway."""
    path = tmp_path / "routing.json"
    path.write_text("left by somebody")
    assert RoutingFile(path).find_tampering() is None


# The documents


DOCUMENT = (ROOT / "docs" / "routing-file.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_documented_example_is_golden() -> None:
    """The example in the document is the golden file."""
    assert json.loads(_blocks("json")[0]) == json.loads(GOLDEN.read_text())


def test_every_field_is_documented() -> None:
    """The document explains each field of the schema."""
    route, target = SCHEMA["$defs"]["route"]["properties"], SCHEMA["$defs"]["target"]["properties"]
    fields = [*SCHEMA["properties"], *route, *target, *target["limits"]["properties"]]
    table = DOCUMENT.partition("## Field by field")[2].partition("## When")[0]
    assert [name for name in fields if not re.search(rf"`(….)?{name}(\.<\w+>)?`", table)] == []


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_documented_jq_lines_work(tmp_path: Path) -> None:
    """Each line for the shell prints what it says, on a file whose heartbeat is fresh."""
    now = datetime.now(UTC)
    table = build_table(SETTINGS, {"chat": CHAT}, {}, generation=1, written_at=now, valid_for_s=90)
    RoutingFile(tmp_path / "var" / "routing.json").publish(table)
    script = "set -e\n" + _blocks("sh")[0]
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [HAIKU, f"chat -> {HAIKU}: {CHAT.reason}", "true"]
