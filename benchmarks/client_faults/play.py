"""One fault played to one product: two providers, the routing file or the service that writes it, and the runner."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.client_faults.faults import QUESTION, TIMEOUT_S, Fault
from benchmarks.client_faults.job import Job, Result
from benchmarks.client_faults.judge import FAILING, HEALTHY, Outcome
from benchmarks.client_faults.products import Product
from benchmarks.client_faults.servers import Provider
from benchmarks.client_faults.service import end, running_service

#: For the imports of a product on a busy machine; and what a request may take beyond its bound until it hangs.
_PATIENCE_S: Final = 60.0
_SERVICE: Final = """\
database: "sqlite:///{folder}/hotspare.db"
routing_file: "{routing}"
defaults: {{interval: 2s}}
connectivity: {{endpoints: []}}
providers:
  a: {{dialect: openai-chat, base_url: "{urls[0]}", api_key: nobody, models: {{model-a: {{}}}}}}
  b: {{dialect: openai-chat, base_url: "{urls[1]}", api_key: nobody, models: {{model-b: {{}}}}}}
routes: {{chat: {{candidates: [a/model-a, b/model-b]}}}}
controller: {{dwell: 30s, failback: {{hold: 5s}}}}
"""


def play(product: Product, fault: Fault) -> tuple[str, Outcome]:
    """The product's version, and what came of it; takes as long as the fault does."""
    failing = Provider(FAILING, fault.failing, well_after_s=fault.well_after_s)
    healthy = Provider(HEALTHY, refuses_prefill=fault.refuses_prefill)
    urls = [failing.url, healthy.url]
    with tempfile.TemporaryDirectory() as name:
        folder, routing = Path(name), Path(name) / "routes" / "routing.json"
        routing.parent.mkdir()
        serviced = fault.controlled and product.follows
        if not serviced:
            routing.write_text(json.dumps(_table(urls, fault)), encoding="utf-8")
        job = Job(
            question=QUESTION,
            urls=urls,
            models=[FAILING, HEALTHY],
            routing_file=str(routing),
            timeout_s=TIMEOUT_S,
            requests=fault.requests,
            every_s=fault.every_s,
            stream=product.stream,
            in_asyncio=product.in_asyncio,
        )
        longest_s = fault.requests * max(fault.every_s, fault.must.longest_s) + _PATIENCE_S
        text = _SERVICE.format(folder=folder, routing=routing, urls=urls)
        with running_service(folder, text, routing) if serviced else nullcontext(), _runner(product, folder) as runner:
            began_s, result = _run(runner, job, failing, longest_s)
    failing.close()
    healthy.close()
    if result is None:
        result = Result(version="")
    return result.version, Outcome(
        answers=result.answers,
        failing_at_s=[at - began_s for at in failing.asked_at],
        healthy_at_s=[at - began_s for at in healthy.asked_at],
    )


def _run(runner: subprocess.Popen[str], job: Job, failing: Provider, longest_s: float) -> tuple[float, Result | None]:
    """When the first request was due, and what the runner says; None where it says nothing in time."""
    sent, said = _pipes(runner)
    sent.write(json.dumps(asdict(job)) + "\n")
    sent.flush()
    if said.readline() != "ready\n":
        raise RuntimeError(f"the runner does not start: {runner.args!r}")
    failing.begin()
    sent.write("go\n")
    sent.flush()
    began_s = time.monotonic()
    try:
        text, _ = runner.communicate(timeout=longest_s)
    except subprocess.TimeoutExpired:
        return began_s, None
    return began_s, Result.parse(text)


def _pipes(runner: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert runner.stdin
    assert runner.stdout
    return runner.stdin, runner.stdout


@contextmanager
def _runner(product: Product, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The product's program; ended at the end. Nothing of ours stands between it and this machine's ports."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = inherited | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}
    environment["PYTHONPATH"] = f"{Path.cwd()}{os.pathsep}client/src"
    with (folder / "runner.log").open("wb") as log:
        process = subprocess.Popen(
            product.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def _table(urls: list[str], fault: Fault) -> dict[str, Any]:
    """A routing file that stands still on the failing target, as it does until the service has found it failing."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    targets: dict[str, dict[str, Any]] = {
        f"{provider}/{model}": {
            "provider": provider,
            "model": model,
            "dialect": "openai-chat",
            "base_url": url,
            "api_key_env": None,
            "health": "up",
            "drained": False,
        }
        for provider, model, url in zip(("a", "b"), (FAILING, HEALTHY), urls, strict=True)
    }
    if fault.contexts:
        for target, context in zip(targets.values(), fault.contexts, strict=True):
            target["context"] = context
    first, _ = targets
    route = {
        "target": first,
        "since": now,
        "move": "first",
        "reason": f"{first} is up",
        "candidates": list(targets),
        "weights": {first: 100},
    }
    return {
        "format": "hotspare.routing/1",
        "generation": 1,
        "written_at": now,
        "valid_for_s": 90,
        "routes": {"chat": route},
        "targets": targets,
    }
