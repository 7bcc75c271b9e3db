"""Reads golden sets, says what asking them may cost, and asks candidates."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from controller.compare.comparison import Trial
from controller.compare.golden_set import GoldenQuestion, GoldenSet, parse_set
from controller.compare.judges import Judgement, Verdict, judge
from controller.service.key_ring import REFUSALS
from monitor.config.document import LARGEST_BYTES
from monitor.config.problems import ConfigError
from monitor.config.provider_targets import checks_of
from monitor.config.value_files import UnreadableFileError, read_bounded
from probes import pricing
from probes.observation import Observation
from probes.outcome import ANSWERED, Effect, Outcome
from probes.prober import Prober
from probes.question import Answer
from probes.redaction import clean
from probes.target import Target

_OWN_SET: Final = Path(__file__).with_name("hotspare_set.yaml")
_OWN_NAME: Final = "Hotspare's own set"
#: Questions to one candidate at a time.
_AT_ONCE: Final = 4
#: A candidate that limits rates is asked again so often, each time after what it says, at most so many seconds.
_AGAIN: Final = 3
_USUAL_WAIT_S: Final = 5.0
_LONGEST_WAIT_S: Final = 60.0
_WRONG_ALL_THE_SAME: Final = {
    Outcome.BAD_ANSWER: "it was empty",
    Outcome.REFUSED: "the model refused to answer",
}


def read_set(path: Path | None) -> GoldenSet:
    """The set in this file (`.jsonl`: a question a line), or Hotspare's own; raises ConfigError."""
    named = _OWN_NAME if path is None else str(path)
    try:
        data = read_bounded(
            path or _OWN_SET,
            largest_bytes=LARGEST_BYTES,
            expected="a golden set",
            missing="there is no such file; expected a golden set, in YAML or as lines of JSON",
        )
        return parse_set(data.decode("utf-8-sig"), named, lines=named.lower().endswith(".jsonl"))
    except UnreadableFileError as error:
        raise ConfigError((f"{named}: {error}",)) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError((f"{named}:{line}: is not UTF-8; save it as UTF-8",)) from None


def lack(target: Target, question: GoldenQuestion) -> str | None:
    """Why a candidate cannot be asked a question at all; None when it can."""
    check = question.question.check
    if check in checks_of(target.provider):
        return None
    who = f"preset {target.provider.preset}" if target.provider.preset else f"dialect {target.provider.dialect}"
    return f"its {who} cannot be asked {check}"


def most_usd(targets: Sequence[Target], golden: GoldenSet, repeat: int) -> tuple[float, tuple[str, ...]]:
    """About what asking costs where every answer is as long as it may be, and the candidates whose price is unknown.

    A model that reasons may cost more than that.
    """
    total, unknown = 0.0, []
    for target in filter(pricing.costs_money, targets):
        asked = [question.question for question in golden.questions if lack(target, question) is None]
        costs = [pricing.most_usd(target, question) for question in asked]
        total += repeat * math.fsum(cost or 0.0 for cost in costs)
        if None in costs:
            unknown.append(target.id)
    return total, tuple(unknown)


@dataclass(kw_only=True)
class Asking:
    """Asks every candidate every question, so many rounds; what comes of it is in `trials`, as far as it has come."""

    prober: Prober
    targets: Sequence[Target]
    golden: GoldenSet
    repeat: int
    on_progress: Callable[[float, float], None] = lambda _done, _total: None
    observations: list[Observation] = field(default_factory=list)
    """All that was asked so far, for its cost."""
    _done: int = 0
    _keys: dict[str, int] = field(default_factory=dict)
    """The number of the key in use, by provider, where it is not the first."""

    async def ask_all(self) -> Mapping[str, list[Trial]]:
        """The trials of each candidate, round by round, each round in the order of the set."""
        await pricing.warm_up()
        self.on_progress(0, self._total)
        found = await asyncio.gather(*map(self._ask_candidate, self.targets))
        return {target.id: trials for target, trials in zip(self.targets, found, strict=True)}

    @property
    def _total(self) -> int:
        return self.repeat * len(self.golden.questions) * len(self.targets)

    async def _ask_candidate(self, target: Target) -> list[Trial]:
        """Its trials; once its key, account or model is refused, what is left is not asked."""
        first, *others = [question for _ in range(self.repeat) for question in self.golden.questions]
        turn, refusals = asyncio.Semaphore(_AT_ONCE), list[Trial]()

        async def ask(question: GoldenQuestion) -> Trial:
            async with turn:
                trial = _unasked(refusals[0], question) if refusals else await self._try(target, question)
            if trial.observation and trial.observation.outcome.effect is Effect.MISCONFIGURED:
                refusals.append(trial)
            self._done += 1
            self.on_progress(self._done, self._total)
            return trial

        return [await ask(first), *await asyncio.gather(*map(ask, others))]

    async def _try(self, target: Target, question: GoldenQuestion) -> Trial:
        if (why := lack(target, question)) is not None:
            return Trial(question=question.name, judgement=Judgement(verdict=Verdict.UNSUPPORTED, flaw=why), flaw=why)
        answer = await self._ask(target, question)
        # In a thread, because schemas can take a second, and others are waiting for their answers meanwhile.
        judgement = await asyncio.to_thread(judgement_of, question, answer)
        return Trial(
            question=question.name,
            judgement=judgement,
            observation=answer.observation,
            shown=answer.shown,
            model=answer.model,
            flaw=clean(judgement.flaw, answer.key, limit=300),
        )

    async def _ask(self, target: Target, question: GoldenQuestion) -> Answer:
        """The answer, with the first key of the provider that is not refused."""
        provider = target.provider
        for number in range(self._keys.get(provider.name, 0), len(provider.keys)):
            keyed = replace(target, provider=provider.with_key(provider.keys[number]))
            answer = await self._ask_patiently(keyed, question)
            if answer.observation.outcome not in REFUSALS:
                self._keys[provider.name] = number
                break
        return answer

    async def _ask_patiently(self, target: Target, question: GoldenQuestion) -> Answer:
        for left in range(_AGAIN, -1, -1):
            answer = await self.prober.ask(target, question.question)
            self.observations.append(answer.observation)
            if answer.observation.outcome is not Outcome.RATE_LIMITED or not left:
                break
            wait_s = answer.observation.retry_after_s
            await asyncio.sleep(min(_USUAL_WAIT_S if wait_s is None else wait_s, _LONGEST_WAIT_S))
        return answer


def judgement_of(question: GoldenQuestion, answer: Answer) -> Judgement:
    """Of an answer, or of what came in place of one."""
    seen = answer.observation
    if seen.outcome in ANSWERED:
        return judge(question, answer.reply)
    if flaw := _WRONG_ALL_THE_SAME.get(seen.outcome):
        verdict = Verdict.WRONG if question.expect or question.schema is not None else Verdict.UNANSWERED
        fits = None if question.schema is None else False
        return Judgement(verdict=verdict, flaw=flaw, fits_schema=fits, gist=seen.outcome)
    extras = question.tools or question.schema is not None
    unsupported = seen.outcome is Outcome.BAD_REQUEST and extras and not seen.failed_here
    verdict = Verdict.UNSUPPORTED if unsupported else Verdict.UNANSWERED
    return Judgement(verdict=verdict, flaw=f"{seen.outcome}: {seen.detail}")


def _unasked(refusal: Trial, question: GoldenQuestion) -> Trial:
    """What is not asked any more, because a question before was refused for good."""
    return Trial(question=question.name, judgement=refusal.judgement, flaw=refusal.flaw)
