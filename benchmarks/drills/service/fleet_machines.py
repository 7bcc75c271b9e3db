"""Several services on one PostgreSQL, each with a folder, a clock and a way to the database of its own."""

import os
import re
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.drills.service.fleet_database import FleetDatabase
from benchmarks.reliability.file_watch import FileWatch
from benchmarks.reliability.lab import CLOCK_SOURCE, CONFIGURATION, read_table
from benchmarks.reliability.preload import build_library
from benchmarks.reliability.servers import Servers
from tests.support.postgres_network import Wire

#: The wires are of this process too: reading all files all the time would slow them down.
_READ_S: Final = 0.03
_TAKEN: Final = re.compile(r'"event": "lease_taken".*"epoch": "?(\d+)')


class Machine:
    """One of them; its service is started anew whenever it is to run."""

    def __init__(self, folder: Path, url: str, servers: Servers, slack_url: str) -> None:
        self.folder, self.name = folder, folder.name
        folder.mkdir()
        self.wire = Wire(url)
        self.routing = folder / "routing.json"
        self._config, self._log, self._clock = folder / "hotspare.yaml", folder / "log", folder / "clock"
        address = servers.url
        text = CONFIGURATION.format(
            database=self.wire.url,
            routing=self.routing,
            slack=slack_url,
            more="",
            **dict.fromkeys(("one", "two", "well"), address),
        )
        self._config.write_text(f"{text}api: {{listen: none}}\n", encoding="utf-8")
        self.set_clock(0)
        self.process: subprocess.Popen[bytes] | None = None
        self._was_ended = False
        self.wrong: list[str] = []
        """What did not hold of its services."""
        self.watch = FileWatch(self.routing, may_vanish=False, every_s=_READ_S)

    def start(self) -> None:
        """Run the service, unless it runs."""
        if self.process and self.process.poll() is None:
            return
        if self.process and not self._was_ended:
            self.wrong.append(f"a service ended by itself: exit code {self.process.returncode}")
        self._was_ended = False
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {"LD_PRELOAD": str(self.folder.parent / "clock.so"), "CLOCK_OFFSET": str(self._clock)}
        environment["LAB_KEY"] = "nobody"
        command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(self._config)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment, process_group=0)

    def send(self, number: signal.Signals) -> None:
        """To the service, if it runs; one that is to end has ended then."""
        if self.process and self.process.poll() is None:
            self._was_ended |= number in {signal.SIGKILL, signal.SIGTERM}
            self.process.send_signal(number)
            if number in {signal.SIGKILL, signal.SIGTERM}:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(20)

    def set_clock(self, offset_s: int) -> None:
        """Let its wall clock be off by so much from now on."""
        with self._clock.open("r+b" if self._clock.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("=q", offset_s))

    def order(self) -> tuple[int, int]:
        """The (epoch, generation) of its routing file."""
        table = read_table(self.routing)
        return table.get("epoch", 0), table.get("generation", 0)

    def log(self) -> str:
        """All that its services have said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def close(self) -> None:
        """End all of it."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self.send(signal.SIGKILL)
        self.watch.close()
        self.wire.close()


class Fleet:
    """The machines, their database, the providers; `leader` is who holds the lease."""

    def __init__(self, folder: Path, machines: int, slack_url: str, database: FleetDatabase) -> None:
        self.servers = Servers()
        self.database = database
        build_library(CLOCK_SOURCE, folder)
        self.machines = [
            Machine(folder / f"m{number}", database.url, self.servers, slack_url) for number in range(machines)
        ]

    def close(self) -> None:
        """End all of it."""
        for machine in self.machines:
            machine.close()
        self.servers.shutdown()
        self.servers.server_close()
        self.database.close()

    def leader(self) -> Machine | None:
        """Who has taken the lease of the last epoch."""
        taken = {epoch: machine for machine in self.machines for epoch in epochs_of(machine)}
        return taken[max(taken)] if taken else None

    def newest(self) -> tuple[int, int]:
        """The (epoch, generation) of the newest file."""
        return max(machine.order() for machine in self.machines)

    def broken(self, *, loses_rows: bool) -> Iterator[str]:
        """What must never be, of the files and the logs of all machines, and of what was decided.

        `loses_rows`: a database took the place of another that had later rows; the journal may have a gap.
        """
        targets: dict[tuple[int, int], str] = {}
        for machine in self.machines:
            yield from (f"{machine.name}: {text}" for text in (*machine.wrong, *machine.watch.wrong))
            for at, target in machine.watch.targets.items():
                if targets.setdefault(at, target) != target:
                    yield f"{machine.name} has another target under {at} than another machine"
            if "Traceback" in machine.log():
                yield f"{machine.name}: a traceback in its log"
        counts = Counter(epoch for machine in self.machines for epoch in epochs_of(machine))
        yield from (f"epoch {epoch} was taken {count} times" for epoch, count in counts.items() if count > 1)
        before: dict[str, Any] = {"epoch": 0, "generation": 0, "target": None}
        for each in self.database.rows("SELECT * FROM decisions ORDER BY id"):
            if each["epoch"] not in counts:
                yield f"decision {each['id']} is of epoch {each['epoch']}, which nobody has taken"
            if each["epoch"] < before["epoch"] or each["generation"] <= before["generation"]:
                yield f"decision {each['id']} came after one of a later epoch or generation"
            if not loses_rows and before["target"] and each["before"] != before["target"]:
                yield f"decision {each['id']}: from {each['before']}, the route was on {before['target']}"
            before = each


def epochs_of(machine: Machine) -> list[int]:
    """Those under which its services have led."""
    return [int(epoch) for epoch in _TAKEN.findall(machine.log())]
