"""The drills on the real service hold for a few kills and a few seconds, and what is broken on purpose is found."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from benchmarks.drills.service.growth import Figure, grown
from benchmarks.drills.service.history import live_and_measure
from benchmarks.drills.service.hostile import KEYS, endure_hostility
from benchmarks.drills.service.hostile_traces import found_keys, wrong_modes
from benchmarks.drills.service.kills import kill_often
from benchmarks.drills.service.network import fail_network
from benchmarks.drills.service.step_counter import StepCounter
from benchmarks.drills.service.steps import kill_at_each_step
from benchmarks.drills.service.targets import TargetsReport, beyond_bounds, watch_targets

pytestmark = pytest.mark.slow


def test_some_kills_hold() -> None:
    """No file torn or older than the journal, nothing decided or told twice."""
    report = kill_often(6, seed=3, jobs=2)
    assert (report.kills, report.wrong) == (6, [])
    assert report.files > 100
    assert report.probes > 4


def runs_services(drill: int) -> bool:
    """Whether any child of this process is a service."""
    with suppress(OSError):  # one that has just ended
        for children in Path(f"/proc/{drill}/task").glob("*/children"):
            for child in children.read_text().split():
                if b"controller.cli.main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return True
    return False


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
@pytest.mark.parametrize("options", [["--kills", "500"], ["--steps"]])
def test_what_was_found_is_told_when_people_interrupt_it(options: list[str]) -> None:
    """Ctrl-C ends it after the next kill."""
    command = [sys.executable, "-m", "benchmarks.drills", "kills", *options, "--jobs", "1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as drill:
        while not runs_services(drill.pid):
            assert drill.poll() is None
            time.sleep(0.05)
        os.killpg(drill.pid, signal.SIGINT)
        report = json.loads(drill.communicate()[0])
    assert report["wrong"] == []
    assert 1 <= report["kills"] < 100


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_a_fleet_goes_on() -> None:
    """Under another leader, as the drill's JSON says; nothing else of it fits into a test."""
    options = ["--kills", "1", "--seed", "1", "--machines", "2", "--only", "leader stopped", "--json"]
    drill = [sys.executable, "-m", "benchmarks.drills", "fleet", *options]
    report = json.loads(subprocess.run(drill, stdout=subprocess.PIPE, check=True).stdout)
    assert (report["log"]["faults"], report["wrong"]) == ({"leader stopped": 1}, [])
    assert report["epochs"] >= 2
    assert report["files"] > 100


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_some_steps_hold() -> None:
    """Before a step, and in a write: as the service moves the route, and of `db backup`."""
    report = kill_at_each_step(1, steps=range(12, 13), phases=("move", "backup"))
    assert report.wrong == []
    assert (report.phases["move"], report.phases["backup"]) == ((1, 1), (1, 1))


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_a_process_ends_at_the_wanted_step(tmp_path: Path) -> None:
    """Before a step, in the midst of a write, or not at all; what it does elsewhere does not count."""
    file = tmp_path / "out"
    program = f"import os; f = os.open({str(file)!r}, 0o101); [os.write(f, b'abcd') for _ in range(3)]; os.fsync(f)"
    counter = StepCounter(tmp_path)
    for step, is_torn, expected, steps in ((3, False, b"abcd", 3), (3, True, b"abcdabcdab", 4), (0, False, b"", 5)):
        file.unlink(missing_ok=True)
        before = counter.steps
        counter.kill_at(step, is_torn=is_torn)
        status = subprocess.run([sys.executable, "-c", program], env=counter.environment, check=False).returncode
        assert (status, counter.steps - before) == (-9 if step else 0, steps)
        assert file.read_bytes() == (expected or b"abcd" * 3)


def test_some_hostility_is_endured() -> None:
    """No key is written, the route is where users are served, and the service ends; how late it was is the drill's."""
    report = endure_hostility(12.0, seed=1)
    assert report.answers > 50
    assert [text for text in report.wrong if "late" not in text] == []


def test_echoes_leave_no_key() -> None:
    """Not in files, the log, messages, or a backup; what is private stays so; and every key was echoed."""
    report = endure_hostility(6.0, seed=2, only_echoes=True)
    assert report.answers > 20
    assert all(report.asked.values())
    assert report.wrong == []


@pytest.mark.skipif(
    bool(os.geteuid()) or not Path("/dev/net/tun").exists() or not shutil.which("ip"),
    reason="needs root, /dev/net/tun and iproute2",
)
def test_the_right_one_is_blamed_for_the_network() -> None:
    """Our own network gone moves nothing; a provider that alone cannot be reached is left."""
    own, of_provider = fail_network(4.0, ("own network", "cut off"))
    assert (own.wrong, of_provider.wrong) == ([], [])
    assert own.moved_s is None
    assert own.unknown_s
    assert of_provider.moved_s


@pytest.mark.parametrize("variable", KEYS)
def test_a_key_that_was_written_is_found(variable: str) -> None:
    """Whole, quoted, in base64 at any place, or a piece of it."""
    key = KEYS[variable]
    leaks = {
        "whole": f"refused: {key} it said",
        "quoted": quote(f"k={key}", safe=""),
        "piece": key[8:16],
        "basic": base64.b64encode(f"name:{key}".encode()).decode(),
    }
    texts = {"clean": b"refused: *** it said", **{name: text.encode() for name, text in leaks.items()}}
    found = list(found_keys(texts, KEYS.values()))
    assert [text.partition(":")[0] for text in found] == [f"a key stands in {name}" for name in leaks]


def test_a_file_that_others_may_read_is_found(tmp_path: Path) -> None:
    """Whatever is not meant for them; and the routing file where they cannot read it."""
    for name, mode in {"routing.json.held": 0o640, "new": 0o644, "routing.json": 0o600, "hotspare.db": 0o600}.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    assert sorted(wrong_modes(tmp_path)) == [
        "new has the mode 644, expected 600",
        "routing.json has the mode 600, expected 644",
        "routing.json.held has the mode 640, expected 600",
    ]


def test_some_targets_are_watched() -> None:
    """Their probes are found, and everything is measured at the beginning and at the end."""
    report = watch_targets(400, seconds=4.0, starts_s=3.0, window_s=2.0, rounds=1)
    assert report.probes > 4
    assert report.first.keys() == report.last.keys()
    assert not any("ended by itself" in text or "SIGTERM" in text for text in report.wrong)


def test_failed_and_late_probes_are_found() -> None:
    """Of the beginning and of the end; that they are no later than before does not do."""
    first, last = ({"late (p99)": Figure(value=late_s, unit="s")} for late_s in (0.099, 0.1))
    report = TargetsReport(targets=9, seconds=60.0, probes=1_200, not_ok=3, first=first, last=last)
    assert list(beyond_bounds(report)) == [
        "3 of 1,200 probes are not ok",
        "in the end they are 0.100 s late (p99), less than 0.1 s is allowed",
    ]
    assert list(beyond_bounds(TargetsReport(targets=9, seconds=60.0, first=first, last=first))) == []


def test_a_short_history_is_measured() -> None:
    """Six days of ten targets, with one look at each thing."""
    figures = live_and_measure(10, days=6, runs_s=1.0, rounds=1)
    assert all(figure.value > 0 for figure in figures.values())


def test_growth_is_found() -> None:
    """More than the allowed share, and more than noise."""
    before = {name: Figure(value=100.0, unit="MiB") for name in ("a", "b")}
    after = {"a": Figure(value=147.0, unit="MiB"), "b": Figure(value=145.0, unit="MiB")}
    assert list(grown(before, after)) == ["a grew from 100 MiB to 147 MiB"]
