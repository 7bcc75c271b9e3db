"""What a runner is told, and what it says: one line of JSON each way. Standard library only, for any environment."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Job:
    """So many requests, each with the same question, to the first of the targets while it serves."""

    question: str
    urls: list[str]
    """The base URL of each target, the preferred one first."""
    models: list[str]
    """The model of each."""
    routing_file: str
    """The same for Hotspare, as route `chat`."""
    timeout_s: float
    """For who can be told when to give up a silent server."""
    requests: int
    every_s: float
    stream: bool = True
    in_asyncio: bool = False
    """Where the product has both ways."""


@dataclass(kw_only=True)
class Answer:
    """What came of one request."""

    text: str = ""
    """All of what the caller was given, and was not told to discard."""
    model: str | None = None
    usage: bool = False
    error: str | None = None
    """What was raised, if anything."""
    seconds: float = 0.0


@dataclass(kw_only=True)
class Result:
    """What came of a job."""

    version: str
    answers: list[Answer] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> "Result":
        """The result that a runner wrote."""
        values = json.loads(text)
        return cls(version=values["version"], answers=[Answer(**answer) for answer in values["answers"]])


def run(version: str, ask: Callable[[Job], Callable[[Answer], None]]) -> None:
    """Read a job, ask by what `ask` makes of it, and write the result. `ask` fills in an answer, or raises."""
    job = Job(**json.loads(sys.stdin.readline()))
    ask_once, result = ask(job), Result(version=version)
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    for number in range(job.requests):
        time.sleep(max(0.0, began + number * job.every_s - time.monotonic()))
        answer, at = Answer(), time.monotonic()
        try:
            ask_once(answer)
        except Exception as error:  # noqa: BLE001 - whatever a product raises is its answer
            answer.error = f"{type(error).__name__}: {error}"
        answer.seconds = time.monotonic() - at
        result.answers.append(answer)
    print(json.dumps(asdict(result)), flush=True)


def take_piece(answer: Answer, chunk: Any) -> None:
    """Add a chunk of the openai SDK's kind to the answer."""
    answer.model = chunk.model or answer.model
    answer.usage = answer.usage or bool(getattr(chunk, "usage", None))
    for choice in chunk.choices:
        answer.text += choice.delta.content or ""
