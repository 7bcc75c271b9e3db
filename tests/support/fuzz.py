"""The fuzz target: damaged answers through the whole reading of an answer, until the time is up.

`make fuzz ARGS="--seconds 60 --seed 1"`. Any answer gives exactly one outcome, in bounded time and memory, without an
exception, and shows no piece of a key. What does not is kept in `var/fuzz/`, to be looked at again with `--replay`.
"""

import argparse
import asyncio
import base64
import itertools
import json
import random
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Final

from probes import prober
from probes.checks import Task
from probes.classifier import Classification, classify_response
from probes.dialects.registry import DIALECTS
from probes.exchange import Exchange
from probes.outcome import Outcome
from probes.target import Check, Provider, Secret, Target
from probes.transcript import build_transcript
from probes.transport.decoding import CAP, UndecodableBodyError
from probes.transport.stream import ReadError
from tests.probes.test_outcome import NONCE
from tests.support.mutations import Case, mutant
from tests.support.oddities import KEY

_NOW: Final = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
_KEPT_IN: Final = Path("var/fuzz")
_PIECE: Final = 8
#: Of the processor, for one answer of at most a mebibyte.
MOST_CPU_S: Final = 5.0
#: What Python holds at once while reading one: JSON of a mebibyte becomes some forty times as many bytes.
MOST_BYTES: Final = 80 * CAP
#: Characters of what `once -v` prints, invisible ones being spelled out at length.
MOST_SHOWN: Final = 1_000_000


class FlawError(AssertionError):
    """What is wrong with how an answer was read."""


async def _chunks(case: Case) -> AsyncIterator[bytes]:
    """The body in its chunks; the connection may break afterwards."""
    lengths = cycle(case.cuts or (len(case.body) or 1,))
    start = 0
    while start < len(case.body):
        length = next(lengths)
        yield case.body[start : start + length]
        start += length
    if case.aborted:
        raise ReadError("aborted")


async def read(case: Case, *, shown: bool = True) -> Outcome:
    """Reads one answer as the prober does, and shows it as `once -v` does; raises FlawError, or what that raises."""
    provider = Provider(name="p", dialect=case.dialect, base_url="http://x", api_key=Secret(KEY), api_key_env="P_KEY")
    target = Target(provider=provider, model="m", dimensions=3)
    exchange = Exchange(
        target=target, check=case.check, started_at=_NOW, monotonic=itertools.count(step=0.001).__next__, chunks=[]
    )
    fault = await _received(case, exchange)
    task = Task(check=case.check, nonce=NONCE, dimensions=3)
    classification = classify_response(DIALECTS[case.dialect], task, exchange.response(fault), now=_NOW)
    verdict = prober.complete_classification(classification, exchange)
    seen = prober.build_observation(exchange, verdict)
    if "the probe itself" in seen.detail:
        raise FlawError(f"blamed on the probe: {seen.detail}")
    if seen.outcome is Outcome.OK and not _may_be_right(case, exchange):
        raise FlawError("ok without the word that was asked for")
    if bool(seen.detail) is (seen.outcome is Outcome.OK):
        raise FlawError(f"{seen.outcome} with the detail {seen.detail!r}")
    if len(seen.detail) > 500 or len(seen.request_id or "") > 128 or len(seen.model or "") > 100:
        raise FlawError("a text of an observation is too long")
    hold_no_key(repr(seen))
    if shown:
        text = json.dumps(asdict(build_transcript(exchange, seen, verdict)), default=str, ensure_ascii=False)
        if len(text) > MOST_SHOWN:
            raise FlawError(f"what is shown is {len(text)} characters long")
        hold_no_key(text)
    return seen.outcome


async def _received(case: Case, exchange: Exchange) -> Classification | None:
    headers = {name.lower(): value.encode("latin-1", "replace").decode("latin-1") for name, value in case.headers}
    try:
        return await prober.read_response(case.status, headers, _chunks(case), exchange)
    except UndecodableBodyError as error:
        return exchange.interrupted(Classification(Outcome.SERVER_ERROR, str(error)))
    except ReadError as error:
        return exchange.interrupted(Classification(Outcome.UNREACHABLE, str(error)))


def _may_be_right(case: Case, exchange: Exchange) -> bool:
    """Whether the letters of the word are there in order, for they may come one by one; an embedding has none."""
    letters = iter(b"".join(data for _, data in exchange.chunks or ()).lower())
    return case.check == Check.EMBEDDING or all(letter in letters for letter in NONCE.encode())


def hold_no_key(shown: str) -> None:
    """Raises FlawError where a piece of the key of eight characters stands in a text, or all of it in base64."""
    pieces = [KEY[start : start + _PIECE] for start in range(len(KEY) - _PIECE + 1)]
    for piece in (*pieces, base64.b64encode(KEY.encode()).decode()):
        if piece in shown:
            place = shown.index(piece)
            raise FlawError(f"a piece of the key is shown: …{shown[max(0, place - 60) : place + 60]}…")


def tried(loop: asyncio.AbstractEventLoop, case: Case, *, measured: bool = False, shown: bool = True) -> Outcome:
    """`read`, within its bounds of time or, where `measured`, of memory; raises FlawError."""
    if measured:
        tracemalloc.start()
    began = time.process_time()
    try:
        outcome = loop.run_until_complete(read(case, shown=shown))
        peak = tracemalloc.get_traced_memory()[1] if measured else 0
    finally:
        tracemalloc.stop()
    if not measured and time.process_time() - began > MOST_CPU_S:
        raise FlawError(f"{time.process_time() - began:.1f} s of the processor")
    if peak > MOST_BYTES:
        raise FlawError(f"{peak / CAP:.0f} MiB of memory")
    return outcome


def main() -> int:
    """Runs until the time is up or something fails; the exit status."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Damaged answers through every parser.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the dice (default 1)")
    parser.add_argument("--replay", type=Path, help="a case that was kept, to be tried again")
    arguments = parser.parse_args()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        if arguments.replay:
            return run(loop, [Case.from_json(arguments.replay.read_text(encoding="utf-8"))], seconds=arguments.seconds)
        dice = (random.Random(f"{arguments.seed}/{number}") for number in itertools.count())
        return run(loop, map(mutant, dice), seconds=arguments.seconds)


def run(loop: asyncio.AbstractEventLoop, cases: Iterable[Case], *, seconds: float) -> int:
    """Tries these cases until the time is up, and keeps the first of each failure; the exit status."""
    counts: Counter[str] = Counter()
    failures: dict[str, Path] = {}
    began = said_at = time.monotonic()
    for number, case in enumerate(cases):
        why = _failure(loop, case, counts, number)
        if why and why not in failures:
            failures[why] = _keep(smaller(loop, case, why), why)
            _say(f"case {number}: {why}\n  kept as {failures[why]}")
        if (now := time.monotonic()) > began + seconds:
            break
        if now > said_at + 10:
            said_at = now
            _say(f"{counts.total()} answers in {now - began:.0f} s, {counts['failed']} failed")
    tally = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    _say(f"{counts.total()} answers: {tally}; {len(failures)} different failures")
    return 1 if failures else 0


def _failure(loop: asyncio.AbstractEventLoop, case: Case, counts: Counter[str], number: int) -> str | None:
    try:  # memory and the showing take long, and are looked at now and then
        counts[tried(loop, case, measured=number % 10 == 5, shown=number % 4 == 0)] += 1
    except Exception as error:  # noqa: BLE001 - what is looked for
        counts["failed"] += 1
        return _place(error)
    return None


def _place(error: Exception) -> str:
    """What failed and where: failures of one place are one failure."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else "?"
    said = str(error)[:200] if isinstance(error, FlawError) else ""
    return f"{type(error).__name__} at {where} {said}".rstrip()


def smaller(loop: asyncio.AbstractEventLoop, case: Case, why: str) -> Case:
    """The case without what the failure does not need, as far as a few hundred tries show."""
    tries = 0
    size = len(case.body) // 2
    while size and tries < 300:
        start = 0
        while start < len(case.body) and tries < 300:
            tries += 1
            less = replace(case, body=case.body[:start] + case.body[start + size :])
            if _fails(loop, less, why):
                case = less
            else:
                start += size
        size //= 2
    return case


def _fails(loop: asyncio.AbstractEventLoop, case: Case, why: str) -> bool:
    try:
        tried(loop, case)
    except Exception as error:  # noqa: BLE001 - the same failure, or another one
        return _place(error).split(" ")[:3] == why.split(" ")[:3]
    return False


def _keep(case: Case, why: str) -> Path:
    _KEPT_IN.mkdir(parents=True, exist_ok=True)
    path = _KEPT_IN / f"{sha256(why.encode()).hexdigest()[:12]}.json"
    path.write_text(case.as_json(), encoding="utf-8")
    return path


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
