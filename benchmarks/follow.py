"""One decision and a thousand hosts: how long from the file of a node to the file of each follower.

The service runs on one core. All followers run on the other, as threads of one process, each with a connection, a
folder and a file of its own; they log when they have written.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotspare_client.follow.follower import Follower
from hotspare_client.follow.local_file import LocalFile
from hotspare_client.follow.node import Node

from benchmarks.api import running_service, spread
from benchmarks.probing.processes import BESIDE, cpu_s, memory_mb, read_line

_PORT = 18501
#: In memory, where there is such a place: a thousand hosts have a thousand disks, and this machine has one.
_FILES = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
_STACK_BYTES = 256 * 1024
_SETTLE_S = 3.0
_QUIET_S = 20.0


def main(crowds: tuple[int, ...] = (100, 1_000), decisions: int = 20) -> None:
    """Run and print all crowds, in five minutes."""
    os.sched_setaffinity(0, BESIDE)
    print(f"{decisions} decisions each; milliseconds as median, 99th percentile, worst.\n")
    print(
        "|followers|from the node's file to theirs|processor time of a decision: node, a follower, ms|node when quiet|"
    )
    print("|---|---|---|---|")
    for followers in crowds:
        with running_service(providers=2, api_port=_PORT) as (service, folder), _following(followers) as crowd:
            busy = _Meter(service, crowd.pid)
            published_s = dict(_decide(folder, number) for number in range(decisions))
            busy.stop()
            quiet = _Meter(service, crowd.pid)
            time.sleep(_QUIET_S)
            quiet.stop()
            memory = _memory_of_one()
            written, _ = crowd.communicate()
        late_ms = [
            (at_s - published_s[generation]) * 1000
            for generation, at_s in json.loads(written)
            if generation in published_s
        ]
        expected = followers * decisions
        assert len(late_ms) == expected, f"{len(late_ms)} files were written, expected {expected}"
        node_s, all_s = ((busy.used_s[n] - quiet.share(n) * busy.took_s) / decisions for n in range(2))
        cost = f"{node_s * 1000:.0f}, {all_s * 1000 / followers:.2f}"
        print(f"|{followers:,}|{spread(late_ms)}|{cost}|{quiet.share(0):.0%}|", flush=True)
    print(f"\nA follower that is a process of its own takes {memory:.0f} MB.")


class _Meter:
    """The processor time that some processes use in a while."""

    def __init__(self, *pids: int) -> None:
        self._pids, self._began_s = pids, time.monotonic()
        self._before_s = [cpu_s(pid) for pid in pids]

    def stop(self) -> None:
        self.took_s = time.monotonic() - self._began_s
        self.used_s = [cpu_s(pid) - before for pid, before in zip(self._pids, self._before_s, strict=True)]

    def share(self, number: int) -> float:
        """Of a core."""
        return self.used_s[number] / self.took_s


def quick() -> None:
    """One small crowd, to see that it works."""
    main((50,), decisions=2)


def _decide(folder: Path, number: int) -> tuple[int, float]:
    """Let the service move its route; the generation, and when its file was written, by the clock of files."""
    file = folder / "routing.json"
    before = _generation(file)
    command = [
        sys.executable,
        "-m",
        "controller.cli.main",
        "pin",
        "chat",
        f"p{1 - number % 2}/m",
        "--reason",
        "benchmark",
    ]
    with subprocess.Popen([*command, "-c", str(folder / "hotspare.yaml")], stdout=subprocess.DEVNULL) as pin:
        while (generation := _generation(file)) == before:
            time.sleep(0.001)
        written_s = file.stat().st_mtime
    assert pin.returncode == 0
    time.sleep(_SETTLE_S)
    return generation, written_s


def _memory_of_one() -> float:
    """Of a follower as hosts have it, once its file is there."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "routing.json"
        command = [sys.executable, "-m", "hotspare_client.follow.script", f"http://127.0.0.1:{_PORT}"]
        with subprocess.Popen([*command, "--file", str(file)], stderr=subprocess.DEVNULL) as process:
            while not file.exists():
                time.sleep(0.1)
            memory = memory_mb(process.pid)
            process.terminate()
    return memory


def _generation(file: Path) -> int:
    return int(json.loads(file.read_bytes())["generation"])


@contextmanager
def _following(followers: int) -> "Iterator[subprocess.Popen[str]]":
    """So many followers, once all have the file."""
    command = [sys.executable, "-m", "benchmarks.follow", str(followers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        try:
            read_line(crowd)
            yield crowd
        finally:
            crowd.kill()


def _be_followers(count: int) -> None:
    """Follow until standard input ends; then print each generation that a follower wrote, and when it had."""
    written: list[tuple[int, float]] = []

    def tell(_level: str, event: str, _text: str, **fields: object) -> None:
        if event == "table_changed":
            written.append((int(str(fields["generation"])), time.time()))

    with tempfile.TemporaryDirectory(dir=_FILES if _FILES.is_dir() else None) as name:
        threading.stack_size(_STACK_BYTES)
        # A thousand threads that wait for their turn would ask for it all the time.
        sys.setswitchinterval(1.0)
        for number in range(count):
            file = LocalFile(Path(name) / str(number) / "routing.json")
            follower = Follower([Node(f"http://127.0.0.1:{_PORT}")], file, tell=tell)
            threading.Thread(target=follower.follow, daemon=True).start()
        while len(written) < count:
            time.sleep(0.1)
        print("ready", flush=True)
        sys.stdin.read()
        print(json.dumps(written), flush=True)
        os._exit(0)


if __name__ == "__main__":
    _be_followers(int(sys.argv[1]))
