"""The memory of what waits for a database that cannot be written, at its bound."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Final

from benchmarks.reliability.trial import FaultReport, Figure
from monitor.storage.pending_writes import PendingWrites
from probes.observation import Observation
from probes.outcome import Outcome

_MORE_THAN_FIT: Final = 50_000
_MOST_MB: Final = 50.0


def measure_waiting(report: FaultReport) -> None:
    """The memory of more observations than there is room for, each with all its numbers; 50 MB are promised."""
    tracemalloc.start()
    waiting, began = PendingWrites(), datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(_MORE_THAN_FIT):
        observation = _observation(began + timedelta(seconds=n), n)
        observation.finished_at  # noqa: B018 - it keeps it, as in the service
        waiting.add_observations([observation])
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    report.figures["memory"] = Figure(value=size / 1024 / 1024, unit="MiB")
    if size > _MOST_MB * 1e6:
        report.wrong.append(f"what waits takes {size / 1e6:.0f} MB, more than {_MOST_MB:g}")


def _observation(at: datetime, n: int) -> Observation:
    seconds = [n * 0.001 + phase for phase in range(6)]
    return Observation(
        target="one/a",
        check="chat",
        started_at=at,
        outcome=Outcome.OK,
        duration_s=n * 0.01,
        resolved_s=seconds[0],
        tcp_s=seconds[1],
        connected_s=seconds[2],
        sent_s=seconds[3],
        first_byte_s=seconds[4],
        first_token_s=seconds[5],
        request_id=f"req_{n:030}",
        input_tokens=1000 + n,
        output_tokens=2000 + n,
        cost_usd=n * 1e-6,
    )
