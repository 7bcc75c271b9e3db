"""Five machines, each of a region of its own with a thousand targets, on one PostgreSQL: what that takes.

`make bench ARGS=fleet`; `python -m benchmarks.fleet --regions 2 --targets 100 --seconds 20` is a smaller one.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.probing.processes import cpu_s, memory_mb, probed_server
from tests.support.postgres import PostgresServer

_MODELS, _INTERVAL_S = 4, 30
_HEAD = """\
database: '{url}'
routing_file: {folder}/routing.json
regions: [{regions}]
defaults: {{interval: {interval}s}}
connectivity: {{endpoints: []}}
api: {{listen: none}}
routes: {{chat: {{candidates: [p0/m0, p{last}/m0]}}}}
providers:
"""
_PROVIDER = """\
  p{n}: {{dialect: openai-chat, base_url: "http://127.0.0.1:{port}/p{n}/{first}/30/v1", api_key: key,
    models: {{m0: {{}}, m1: {{}}, m2: {{}}, m3: {{}}}}}}
"""
#: From the end of a probe to the commit that stored it; both by the clock of this machine.
_MEASURED = """
WITH seen AS (
    SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(xmin)) - started_ms - 1000 * duration_s AS lag_ms
    FROM observations WHERE started_ms BETWEEN %s AND %s
)
SELECT count(*), percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY lag_ms) FROM seen
"""
_COUNTERS = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), xact_commit, pg_database_size(current_database()),
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) - 1
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRun:
    """What was measured."""

    rows_per_s: float
    lag_ms: Sequence[float]
    """Until a probe was stored by the leader: the median, the 99th percentile, the worst."""
    wal_per_s: float
    """Bytes."""
    grows_per_s: float
    """Bytes of the database."""
    commits_per_s: float
    connections: int
    leader_share: float
    """Of a core."""
    monitor_share: float
    """The mean of the others."""
    database_share: float
    memory_mb: float
    """Of the leader."""


def main() -> None:
    """Print the table, in about four minutes."""
    print_table(5, 1_000, run(5, 1_000, 120.0))


def quick() -> None:
    """Whether it works."""
    print_table(2, 20, run(2, 20, 15.0))


def print_table(regions: int, targets: int, measured: FleetRun) -> None:
    """One figure a line."""
    p50, p99, worst = measured.lag_ms
    print(f"|{regions} machines, {targets:,} targets each every {_INTERVAL_S} s||")
    print("|---|---|")
    print(f"|probes stored|{measured.rows_per_s:.0f}/s|")
    print(f"|from a probe's end until the leader has stored it, p50, p99, worst|{p50:.0f}, {p99:.0f}, {worst:.0f} ms|")
    print(f"|WAL|{measured.wal_per_s / 1000:.0f} kB/s, {measured.wal_per_s / measured.rows_per_s:.0f} bytes a probe|")
    print(f"|growth|{measured.grows_per_s / measured.rows_per_s:.0f} bytes a probe|")
    print(f"|commits, connections|{measured.commits_per_s:.0f}/s, {measured.connections}|")
    print(
        f"|share of a core: PostgreSQL, the leader with its region, another machine|{measured.database_share:.0%},"
        f" {measured.leader_share:.0%}, {measured.monitor_share:.0%}|"
    )
    print(f"|memory of the leader|{measured.memory_mb:.0f} MB|", flush=True)


def run(regions: int, targets: int, length_s: float) -> FleetRun:
    """Run so many machines, each with so many targets, and measure for so long once they have begun."""
    with ExitStack() as stack:
        folder, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), stack.enter_context(probed_server())
        server = PostgresServer(folder / "postgres")
        stack.callback(server.close)
        server.admin("ALTER SYSTEM SET track_commit_timestamp = on")
        server.stop()
        server.start()
        url, names = server.new_database(), [f"r{number}" for number in range(regions)]
        machines: list[subprocess.Popen[bytes]] = []
        for name in names:
            config = _configured(folder / name, url, names, port, targets)
            command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config), "--region", name]
            with (folder / name / "log").open("w") as log:
                machines.append(subprocess.Popen(command, stderr=log))
            stack.callback(machines[-1].wait)
            stack.callback(machines[-1].send_signal, signal.SIGTERM)
            until_s = time.monotonic() + 60.0
            while not (folder / names[0] / "routing.json").exists():  # the first leads, and has made the tables
                assert time.monotonic() < until_s, (folder / names[0] / "log").read_text()
                time.sleep(0.1)
        time.sleep(_INTERVAL_S)
        for name, machine in zip(names, machines, strict=True):
            assert machine.poll() is None, (folder / name / "log").read_text()
        return _measure(url.replace("+psycopg", ""), [each.pid for each in machines], server.pid, length_s)


def _measure(url: str, machines: Sequence[int], postgres: int, length_s: float) -> FleetRun:
    with psycopg.connect(url, autocommit=True) as connection:
        used_s, database_s = {pid: cpu_s(pid) for pid in machines}, _of_children(postgres)
        before, began_s, began = connection.execute(_COUNTERS).fetchone(), time.time(), time.monotonic()
        time.sleep(length_s)
        took_s, after = time.monotonic() - began, connection.execute(_COUNTERS).fetchone()
        shares = [(cpu_s(pid) - used_s[pid]) / took_s for pid in machines]
        now_s = _of_children(postgres)
        spent_s = sum(seconds - database_s.get(pid, 0.0) for pid, seconds in now_s.items())
        time.sleep(5.0)  # what ended last is stored
        window = (1000 * began_s, 1000 * (began_s + took_s))
        seen = connection.execute(_MEASURED, window).fetchone()
    assert before
    assert after
    assert seen
    assert seen[0], "nothing was stored"
    return FleetRun(
        rows_per_s=seen[0] / took_s,
        lag_ms=[float(each) for each in seen[1]],
        wal_per_s=float(after[0] - before[0]) / took_s,
        grows_per_s=float(after[2] - before[2]) / took_s,
        commits_per_s=(after[1] - before[1]) / took_s,
        connections=after[3],
        leader_share=shares[0],
        monitor_share=sum(shares[1:]) / max(1, len(shares) - 1),
        database_share=spent_s / took_s,
        memory_mb=memory_mb(machines[0]),
    )


def _of_children(pid: int) -> Mapping[int, float]:
    """The CPU seconds of the server and of each process that it has made."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {each: cpu_s(each) for each in (pid, *map(int, children)) if Path(f"/proc/{each}").exists()}


def _configured(folder: Path, url: str, regions: Sequence[str], port: int, targets: int) -> Path:
    folder.mkdir()
    count, config = targets // _MODELS, folder / "hotspare.yaml"
    head = _HEAD.format(folder=folder, url=url, regions=", ".join(regions), interval=_INTERVAL_S, last=count - 1)
    config.write_text(head + "".join(_PROVIDER.format(n=n, port=port, first=100 + n % 900) for n in range(count)))
    return config


def _one() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=5)
    parser.add_argument("--targets", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    chosen = parser.parse_args()
    print_table(chosen.regions, chosen.targets, run(chosen.regions, chosen.targets, chosen.seconds))


if __name__ == "__main__":
    _one()
