"""Asking candidates over real HTTP: what counts as an answer, and when asking ends."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from controller.compare.comparison import Trial
from controller.compare.golden_set import GoldenSet, parse_set
from controller.compare.runner import Asking, most_usd
from probes.target import Price, Provider, ProviderKey, Secret, Target
from tests.support.scripted_provider import Script, called, failed, prompt_of, said, scripted_provider
from tests.support.servers import KEY, PATIENT, new_prober

SET = parse_set(
    """
questions:
  - {name: sum, prompt: sum, expect: {number: 2}}
  - {name: json, prompt: as JSON, schema: {type: object}, expect: {json: {a: 1}}}
  - {name: call, prompt: call it, tools: [{name: f, description: d, parameters: {}}], expect: {call: {name: f}}}
  - {name: open, prompt: say}
""",
    "set",
)
GOOD = {"sum": said("2"), "as JSON": said('{"a": 1}'), "call it": called("f", {}), "say": said("hello")}


def candidate(url: str, *, preset: str | None = None, price: Price | None = None, model: str = "m") -> Target:
    """A target at this address."""
    provider = Provider(name="p", dialect="openai-chat", base_url=url, api_key=Secret(KEY), preset=preset)
    return Target(provider=provider, model=model, timeouts=PATIENT, price=price)


async def ask(script: Script, *, golden: GoldenSet = SET, repeat: int = 1, **keys: Any) -> tuple[list[Trial], Asking]:
    """The trials of one candidate."""
    with scripted_provider(script) as url:
        target = candidate(url, **keys)
        asking = Asking(prober=new_prober(), targets=[target], golden=golden, repeat=repeat)
        return list((await asking.ask_all())[target.id]), asking


def verdicts(trials: list[Trial]) -> list[str]:
    """In order."""
    return [trial.verdict.value for trial in trials]


async def test_every_question_is_asked_and_judged() -> None:
    """In the order of the set, round by round."""
    trials, asking = await ask(lambda request: GOOD[prompt_of(request)], repeat=2)
    assert [trial.question for trial in trials] == ["sum", "json", "call", "open"] * 2
    assert verdicts(trials) == ["right", "right", "right", "open"] * 2
    assert len(asking.observations) == 8


async def test_what_a_preset_cannot_be_asked_is_not_asked() -> None:
    """It is unsupported, not wrong."""
    trials, asking = await ask(lambda request: GOOD[prompt_of(request)], preset="perplexity")
    assert verdicts(trials) == ["right", "right", "unsupported", "open"]
    assert trials[2].flaw == "its preset perplexity cannot be asked tool"
    assert len(asking.observations) == 3


async def test_a_request_that_is_refused_for_its_tools_is_unsupported() -> None:
    """As Ollama says it of a model; the same of a plain question is our own mistake."""

    def script(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        lacks = "tools" in request or prompt_of(request) == "say"
        return failed(400, "invalid_request_error", "not supported") if lacks else GOOD[prompt_of(request)]

    trials, _ = await ask(script)
    assert verdicts(trials) == ["right", "right", "unsupported", "unanswered"]
    assert trials[2].flaw.startswith("bad_request: ")


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (429, "insufficient_quota")])
async def test_a_candidate_whose_key_is_refused_is_not_asked_on(status: int, code: str) -> None:
    """One refusal tells it all."""
    trials, asking = await ask(lambda _: failed(status, code), repeat=3)
    assert verdicts(trials) == ["unanswered"] * 12
    assert len(asking.observations) == 1
    assert trials[-1].flaw == trials[0].flaw != ""


async def test_another_key_of_the_provider_is_tried() -> None:
    """One that is refused gives way to the next, once; a key is shown nowhere, whichever it is."""
    second = "sk-proj-second-Qm8vTe7LrW2"
    seen: list[str] = []

    def script(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen.append(request["key"])
        return failed(401, "invalid_api_key") if KEY in request["key"] else said(f"{second} {KEY}")

    with scripted_provider(script, keyed=True) as url:
        plain = candidate(url)
        provider = replace(plain.provider, other_keys=(ProviderKey(secret=Secret(second)),))
        asking = Asking(prober=new_prober(), targets=[replace(plain, provider=provider)], golden=SET, repeat=1)
        trials = (await asking.ask_all())[plain.id]
    assert verdicts(list(trials)) == ["wrong", "wrong", "wrong", "open"]
    assert [KEY in key for key in seen] == [True, False, False, False, False]
    assert all(second not in trial.flaw + trial.shown for trial in trials)


async def test_a_candidate_that_limits_rates_is_asked_again() -> None:
    """After as long as it says; not for ever."""
    seen: dict[str, int] = {}

    def script(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        prompt = prompt_of(request)
        seen[prompt] = seen.get(prompt, 0) + 1
        limited = prompt == "say" or (prompt == "sum" and seen[prompt] < 3)
        wait = failed(429, "rate_limit_exceeded", "Please try again in 1ms.")
        return wait if limited else GOOD[prompt]

    trials, asking = await ask(script)
    assert verdicts(trials) == ["right", "right", "right", "unanswered"]
    assert seen["say"] == 4
    assert len(asking.observations) == sum(seen.values())


async def test_no_answer_and_a_refusal_are_wrong() -> None:
    """The model was asked, and that is what it made of it; where nothing is expected, nothing is wrong."""
    trials, _ = await ask(lambda _: said(" ", finish="content_filter"))
    assert verdicts(trials) == ["wrong", "wrong", "wrong", "unanswered"]
    assert trials[0].flaw == "the model refused to answer"
    assert trials[1].judgement.fits_schema is False


async def test_what_a_provider_wrote_is_shown_safely() -> None:
    """In answers and flaws alike."""
    trials, _ = await ask(lambda _: said(f"{KEY} \x1b[31m [bold]" + "x" * 5_000))
    for text in (trials[0].flaw, trials[0].shown):
        assert KEY not in text
        assert text.isprintable()
        assert len(text) <= 500


async def test_few_questions_are_asked_at_a_time() -> None:
    """A candidate is not flooded, whatever the set."""
    many = parse_set("questions: [" + ", ".join(f"{{prompt: q{n}}}" for n in range(30)) + "]", "set")
    under_way, most, lock = 0, 0, threading.Lock()

    def script(_: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.005)
        with lock:
            under_way -= 1
        return said("x")

    await ask(script, golden=many)
    assert most <= 4


def test_the_most_that_asking_costs() -> None:
    """By prompt, schema, tools and budget; what cannot be asked costs nothing, and an unknown price is named."""
    priced = candidate("https://api.example.com/v1", price=Price(input_usd=0, output_usd=1_000))
    lacking = candidate("https://api.example.com/v1", price=Price(input_usd=0, output_usd=1_000), preset="perplexity")
    unknown, free = candidate("https://api.example.com/v1", model="unheard-of"), candidate("http://127.0.0.1/v1")
    assert most_usd([priced], SET, 2) == (2 * 4 * 0.256, ())
    assert most_usd([lacking], SET, 1) == (3 * 0.256, ())
    assert most_usd([unknown, free], SET, 1) == (0.0, ("p/unheard-of",))
