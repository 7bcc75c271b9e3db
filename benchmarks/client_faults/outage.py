"""What users feel of an outage of 50 % until the route moves, and afterwards: `attempts`, and the file alone.

The real service at its defaults writes the file; the requests are plain calls of the openai SDK over sockets. The hour
at 0.1 requests/s is stood for by twelve applications of five minutes each, with a client and a memory of their own, so
that the minute before the route moves weighs twelve times; the one at 1/s by four.
"""

import math
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import openai
from hotspare_client import Routing, Target

from benchmarks.client_faults.faults import ANSWER, QUESTION, Reply
from benchmarks.client_faults.judge import FAILING, HEALTHY
from benchmarks.client_faults.servers import Provider
from benchmarks.client_faults.service import running_service
from benchmarks.detection.tables import table

_QUIET_S, _OUTAGE_S = 30.0, 270.0
_ANSWER_S: Final = 0.3
_TIMEOUT_S: Final = 10.0
_SERVICE: Final = """\
database: "sqlite:///{folder}/hotspare.db"
routing_file: "{routing}"
connectivity: {{endpoints: []}}
providers:
  a: {{dialect: openai-chat, base_url: "{urls[0]}", api_key: nobody, models: {{model-a: {{}}}}}}
  b: {{dialect: openai-chat, base_url: "{urls[1]}", api_key: nobody, models: {{model-b: {{}}}}}}
routes: {{chat: {{candidates: [a/model-a, b/model-b]}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Applications that ask alike, each at the same rate."""

    name: str
    per_s: float
    applications: int
    attempts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of a user."""

    load: Load
    at_s: float
    """Since the outage began; below zero before."""
    seconds: float
    answered: bool


LOADS: Final = (
    Load(name="10/s", per_s=10, applications=1),
    Load(name="1/s", per_s=1, applications=4),
    Load(name="0.1/s", per_s=0.1, applications=12),
    Load(name="1/s, the file alone", per_s=1, applications=1, attempts=False),
)


def main() -> None:
    """Five minutes and a half: quiet, the outage until the route moves, and the rest of it."""
    failing = Provider(
        FAILING,
        (Reply(status=500, code="internal_error", message="Internal error", answer_after_s=_ANSWER_S),),
        well_after_s=math.inf,
        share=0.5,
        well=Reply(answer_after_s=_ANSWER_S),
    )
    healthy = Provider(HEALTHY, (Reply(answer_after_s=_ANSWER_S),))
    with tempfile.TemporaryDirectory() as name:
        folder, routing = Path(name), Path(name) / "routes" / "routing.json"
        text = _SERVICE.format(folder=folder, routing=routing, urls=[failing.url, healthy.url])
        with running_service(folder, text, routing):
            began_s = time.monotonic() + _QUIET_S
            threading.Timer(_QUIET_S, failing.begin).start()
            moved_s, asked = _play(routing, began_s)
    _print(moved_s, asked, [(at - began_s, user) for at, user in failing.asked])


def _play(path: Path, began_s: float) -> tuple[float, list[Asked]]:
    """When the route moved, and every request of a user."""
    watching, moved_s = Routing(path), math.inf
    with ThreadPoolExecutor(200) as pool:
        running = [
            pool.submit(_apply, load, number, path, began_s) for load in LOADS for number in range(load.applications)
        ]
        while time.monotonic() < began_s + _OUTAGE_S:
            target = watching.route("chat")
            if target is not None and target.model == HEALTHY:
                moved_s = min(moved_s, time.monotonic() - began_s)
            time.sleep(0.01)
        return moved_s, [each for one in running for each in one.result()]


def _apply(load: Load, number: int, path: Path, began_s: float) -> list[Asked]:
    """One application: its requests, at a steady rate from a beginning of its own."""
    routing = Routing(path)

    clients = {
        target.id: openai.OpenAI(base_url=target.base_url, api_key="nobody", max_retries=0)
        for target in routing.candidates("chat")
    }

    def call(target: Target, timeout_s: float) -> str:
        reply = clients[target.id].chat.completions.create(
            model=target.model,
            messages=[{"role": "user", "content": QUESTION}],
            user=load.name,
            timeout=timeout_s,
        )
        return reply.choices[0].message.content or ""

    def ask() -> str:
        if not load.attempts:
            target = routing.route("chat")
            return call(target, _TIMEOUT_S) if target else ""
        for attempt in routing.attempts("chat", deadline_s=30):
            with attempt:
                text = call(attempt.target, attempt.timeout_s)
        return text

    def one() -> Asked:
        at_s = time.monotonic()
        try:
            answered = ask() == ANSWER
        except openai.OpenAIError:
            answered = False
        return Asked(load=load, at_s=at_s - began_s, seconds=time.monotonic() - at_s, answered=answered)

    with ThreadPoolExecutor(30) as pool:
        futures = [pool.submit(one) for _ in _due(load, number, began_s)]
        return [future.result() for future in futures]


def _due(load: Load, number: int, began_s: float) -> Iterator[float]:
    """Gives the moments of the requests, each when it has come."""
    due_s = began_s - _QUIET_S + (number + 0.5) / load.applications / load.per_s
    while due_s < began_s + _OUTAGE_S:
        time.sleep(max(0.0, due_s - time.monotonic()))
        yield due_s
        due_s += 1 / load.per_s


def _print(moved_s: float, asked: list[Asked], at_failing: list[tuple[float, str]]) -> None:
    rows = []
    for load in LOADS:
        own = [each for each in asked if each.load is load]
        quiet = [each for each in own if -_QUIET_S / 2 <= each.at_s < -_ANSWER_S]
        before = [each for each in own if 0 <= each.at_s < moved_s]
        after = [each for each in own if each.at_s >= moved_s]
        sent = [at for at, user in at_failing if user == load.name and at >= 0]
        per_request = sum(at < moved_s for at in sent) / max(1, len(before))
        rows.append(
            [
                load.name,
                f"{sum(not each.answered for each in before)} of {len(before)}",
                f"{sum(not each.answered for each in after)} of {len(after)}",
                f"{_p95_s(before) - _p95_s(quiet):.2f} s",
                f"{per_request:.2f}",
                # What was under way when the route moved is not sent afterwards.
                f"{sum(at >= moved_s + _ANSWER_S for at in sent)}",
            ]
        )
    header = [
        "requests",
        "errors before the move",
        "after it",
        "added, p95",
        "sent to the failing per request",
        "after",
    ]
    print(
        f"the route moved {moved_s:.0f} s after the first failure was possible; a failing answer takes {_ANSWER_S} s\n"
    )
    print(table(header, rows))


def _p95_s(asked: list[Asked]) -> float:
    times = sorted(each.seconds for each in asked)
    return times[math.ceil(0.95 * len(times)) - 1] if times else math.nan
