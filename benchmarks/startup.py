"""How long the command, the service and a plan take, beside a bare interpreter."""

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.probing.processes import INSTALLED

_ROUNDS, _PLANS = 10, 3
_EXAMPLE = Path(__file__).parents[1] / "hotspare.example.yaml"
_CONFIGURATION = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
providers:
  one: {{dialect: openai-chat, base_url: "http://127.0.0.1:9/v1", api_key: nobody, models: {{a: {{}}, b: {{}}}}}}
  two: {{dialect: openai-chat, base_url: "http://127.0.0.1:9/v1", api_key: nobody, models: {{a: {{}}, b: {{}}}}}}
routes: {{chat: {{candidates: [one/a, two/a]}}}}
connectivity: {{endpoints: []}}
"""


def main() -> None:
    """Print medians and worst: the interpreter alone, `--help`, `run` until its first routing file, and plans."""
    print("|what|median|worst|against the interpreter alone|\n|---|---|---|---|")
    bare = _timed([sys.executable, "-c", "pass"])
    _first_file(new=True)
    rows = {
        "the interpreter alone": bare,
        "`hotspare --help`": _timed([sys.executable, "-m", "controller.cli.main", "--help"]),
        "`hotspare run` to its first routing file, new database": [_first_file(new=True) for _ in range(_ROUNDS)],
        "the same, existing database": [_first_file(new=False) for _ in range(_ROUNDS)],
        "`hotspare plan` of `hotspare.example.yaml`, no threshold known": [_plan(again=False) for _ in range(_PLANS)],
        "the same again": [_plan(again=True) for _ in range(_PLANS)],
    }
    for what, times in rows.items():
        ratio = statistics.median(times) / statistics.median(bare)
        print(f"|{what}|{statistics.median(times):.3f} s|{max(times):.3f} s|{ratio:.0f} ×|")


def _timed(command: list[str]) -> list[float]:
    return [_once(command, INSTALLED) for _ in range(_ROUNDS)]


def _once(command: list[str], environment: dict[str, str], folder: str | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder)
    return time.perf_counter() - started


def _plan(*, again: bool) -> float:
    """With a cache of thresholds of its own, which a plan before it has filled or nobody."""
    command = [sys.executable, "-m", "controller.cli.main", "plan", "-c", str(_EXAMPLE)]
    with tempfile.TemporaryDirectory() as folder:
        environment = INSTALLED | {"XDG_CACHE_HOME": folder}
        if again:
            _once(command, environment, folder)
        return _once(command, environment, folder)


def _first_file(*, new: bool) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, file = folder / "hotspare.yaml", folder / "routing.json"
        config.write_text(_CONFIGURATION.format(folder=folder))
        if not new:
            _until_published(config, file)
            file.unlink()
        return _until_published(config, file)


def _until_published(config: Path, file: Path) -> float:
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)],
        stderr=subprocess.DEVNULL,
        env={**INSTALLED, "PYTHONWARNINGS": "ignore"},
    ) as service:
        while not file.exists():
            assert service.poll() is None, "the service ended without a routing file"
            time.sleep(0.002)
        taken = time.perf_counter() - started
        service.send_signal(signal.SIGTERM)
    return taken
