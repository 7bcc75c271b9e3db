"""Debian's prometheus-blackbox-exporter under the same loads; it times itself."""

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from benchmarks.probing.client import BODY, HEADERS
from benchmarks.probing.jobs import Load, Times, carried_out
from benchmarks.probing.processes import MEASURED, start_process
from probes.target import Target

EXPORTER = "prometheus-blackbox-exporter"
#: What the headers of an answer wait for.
_UNTIL_FIRST = ("resolve", "connect", "tls", "processing")


def installed() -> bool:
    """Whether the exporter is installed."""
    return shutil.which(EXPORTER) is not None


@contextmanager
def exporter() -> Iterator[tuple[int, int]]:
    """A running exporter: its process id and port."""
    with tempfile.TemporaryDirectory() as folder:
        modules = Path(folder) / "blackbox.yml"
        http = {"method": "POST", "headers": HEADERS, "body": BODY, "preferred_ip_protocol": "ip4"}
        checks = {"fail_if_body_not_matches_regexp": ["k7f3q9x2"]}
        modules.write_text(json.dumps({"modules": {"ask": {"prober": "http", "http": http | checks}}}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [EXPORTER, f"--config.file={modules}", f"--web.listen-address=127.0.0.1:{port}"]
        with start_process(command, MEASURED) as process:
            try:
                asyncio.run(_until_it_listens(port))
                yield process.pid, port
            finally:
                process.terminate()


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


async def times(load: Load, *, server: int, exporter: int) -> Times:
    """The two times of each request that the exporter reports."""

    async def ask(url: str, _: Target) -> tuple[float, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", exporter)
        place = quote(f"{url}/chat/completions", safe="")
        writer.write(f"GET /probe?module=ask&target={place} HTTP/1.0\r\nhost: x\r\n\r\n".encode())
        page = (await reader.read()).decode()
        writer.close()
        metrics = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("probe_"))
        assert metrics["probe_success"] == "1", page
        phases = (float(metrics[f'probe_http_duration_seconds{{phase="{phase}"}}']) for phase in _UNTIL_FIRST)
        return sum(phases), float(metrics["probe_duration_seconds"])

    return await carried_out(load, server, ask)
