"""What a control cycle costs: with more targets that nothing happens to, and with more incidents that stay open.

The service's own cycle on a real database and routing file, in processor time of this process, without probes. Four
models at each provider; where incidents are open, one target of so many providers fails for good.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing.routing_file import RoutingFile
from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.storage.buffered_store import BufferedStore
from monitor.storage.writer import writer_database
from probes.observation import Observation
from probes.outcome import Outcome

_T0 = datetime(2026, 1, 1, tzinfo=UTC)
_MODELS, _INTERVAL_S, _CYCLES = 4, 30, 40
_CASES = ((1_000, 0), (1_000, 100), (10_000, 0), (10_000, 1_000))


def main() -> None:
    """Print the table; about a minute."""
    print("|targets|open incidents|nothing observed, ms|one good answer, ms|\n|---|---|---|---|")
    for targets, incidents in _CASES:
        with _running(targets, incidents) as (cycle, now):
            idle = _ms_each(cycle, now, observed=False)
            one = _ms_each(cycle, now + timedelta(seconds=2), observed=True)
        print(f"|{targets:,}|{incidents:,}|{idle:.1f}|{one:.1f}|", flush=True)


def _ms_each(cycle: Cycle, now: datetime, *, observed: bool) -> float:
    names = list(cycle.detection.detector.health)
    used_s = time.process_time()
    for number in range(_CYCLES):
        at = now + timedelta(milliseconds=number)
        cycle.run((_answered(names[~number], at - timedelta(seconds=1)),) if observed else (), at)
    return (time.process_time() - used_s) / _CYCLES * 1000


@contextmanager
def _running(targets: int, incidents: int) -> Iterator[tuple[Cycle, datetime]]:
    """A cycle whose targets have all answered, and then so many failed; and when."""
    with tempfile.TemporaryDirectory() as name:
        settings = _settings(Path(name), targets)
        database = writer_database(settings.database)
        database.open()
        try:
            cycle = Cycle(
                settings, BufferedStore(database), Journal(database.engine), RoutingFile(settings.routing_file)
            )
            cycle.start(_T0)
            for passed_s in range(0, 5 * _INTERVAL_S, _INTERVAL_S):
                _observe(cycle, settings, failing=0, passed_s=passed_s)
            failing_s = 5 * _INTERVAL_S
            while sum(state.health.name == "DOWN" for state in cycle.detection.detector.health.values()) < incidents:
                _observe(cycle, settings, failing=incidents, passed_s=failing_s)
                failing_s += _INTERVAL_S
            yield cycle, _T0 + timedelta(seconds=failing_s)
        finally:
            database.close()


def _observe(cycle: Cycle, settings: Settings, *, failing: int, passed_s: float) -> None:
    at = _T0 + timedelta(seconds=passed_s)
    failed = {f"p{number}/m0" for number in range(failing)}
    batch = [_failed(target.id, at) if target.id in failed else _answered(target.id, at) for target in settings.targets]
    cycle.run(batch, at + timedelta(seconds=1))


def _answered(target: str, at: datetime) -> Observation:
    return Observation(target=target, check="chat", started_at=at, outcome=Outcome.OK, duration_s=0.5)


def _failed(target: str, at: datetime) -> Observation:
    detail = "HTTP 500"
    return Observation(
        target=target, check="chat", started_at=at, outcome=Outcome.SERVER_ERROR, duration_s=0.5, detail=detail
    )


def _settings(folder: Path, targets: int) -> Settings:
    models = ", ".join(f"m{number}: {{}}" for number in range(_MODELS))
    providers = "".join(
        f'  p{number}: {{dialect: openai-chat, base_url: "http://127.0.0.1:9/{number}/v1", api_key: key,'
        f" models: {{{models}}}}}\n"
        for number in range(targets // _MODELS)
    )
    path = folder / "hotspare.yaml"
    path.write_text(
        f"database: sqlite:///{folder}/hotspare.db\nrouting_file: {folder}/routing.json\n"
        f"defaults: {{interval: {_INTERVAL_S}s}}\nconnectivity: {{endpoints: []}}\n"
        f"routes: {{chat: {{candidates: [p0/m1, p1/m1]}}}}\nproviders:\n{providers}"
    )
    return load(path, {})
