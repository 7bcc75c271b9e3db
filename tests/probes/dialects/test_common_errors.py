"""Errors that any provider may send: the same outcome in every dialect, whatever else stands in the body."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from probes.checks import Task
from probes.classifier import Classification, RawResponse, classify_response
from probes.dialects.registry import DIALECTS
from probes.outcome import Effect, Outcome
from probes.target import Check
from tests.support.paths import DATA

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
NONCE = "k7f3q9x2"
#: Model names that sound like errors of other kinds.
HOSTILE_NAMES = (
    "insufficient-balance",
    "acme/at-capacity-overloaded",
    "balance",
    "model-not-found",
    "acme/no-longer-available:free",
    "quota-exceeded-per-minute",
    "account suspended",
    "gpt-overloaded-4",
)
#: What providers quote, and the name in the configuration.
QUOTED_OTHERWISE = (
    ("gpt-overloaded-4-2026-08-06", "openai/gpt-overloaded-4"),
    ("acme/no-longer-available", "acme/no-longer-available:free"),
)


@dataclass(frozen=True, kw_only=True)
class AnyError:
    """One line of `tests/data/errors.jsonl`."""

    outcome: Outcome
    status: int
    body: Any
    """JSON, or the text itself."""

    @property
    def sent(self) -> str:
        """The body as it is sent."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)


LINES = (DATA / "errors.jsonl").read_text(encoding="utf-8").splitlines()
ERRORS = [AnyError(**row | {"outcome": Outcome(row["outcome"])}) for row in map(json.loads, LINES)]
JSON_ERRORS = [error for error in ERRORS if isinstance(error.body, dict)]


def classified(
    body: bytes, *, dialect: str = "openai-chat", status: int = 400, model: str = "m", content_type: str = ""
) -> Classification:
    """How an answer with this body ends."""
    headers = {"content-type": content_type or ("text/html" if body.lstrip()[:1] == b"<" else "application/json")}
    response = RawResponse(status=status, headers=headers, body=body, model=model)
    return classify_response(DIALECTS[dialect], Task(check=Check.CHAT, nonce=NONCE), response, now=NOW)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.status}-{error.sent[:60]}")
def test_an_error_has_one_outcome_in_all_dialects(error: AnyError) -> None:
    """Compatible servers and gateways pass on each other's errors."""
    endings = {dialect: classified(error.sent.encode(), dialect=dialect, status=error.status) for dialect in DIALECTS}

    assert {dialect: ending.outcome for dialect, ending in endings.items()} == dict.fromkeys(DIALECTS, error.outcome)


@pytest.mark.parametrize("error", JSON_ERRORS, ids=lambda error: f"{error.status}-{error.sent[:60]}")
def test_the_name_of_a_model_decides_nothing(error: AnyError) -> None:
    """People name models as they like, and providers quote the name, or the version behind it."""
    for name, model in (*zip(HOSTILE_NAMES, HOSTILE_NAMES, strict=True), *QUOTED_OTHERWISE):
        body = json.dumps(with_addition(error.body, f" (request for {name})"), ensure_ascii=False).encode()

        assert classified(body, status=error.status, model=model).outcome is error.outcome, name


def with_addition(value: Any, addition: str) -> Any:
    """The body with this text at the end of every sentence in it."""
    if isinstance(value, dict):
        return {key: with_addition(item, addition) for key, item in value.items()}
    if isinstance(value, list):
        return [with_addition(item, addition) for item in value]
    return f"{value}{addition}" if isinstance(value, str) and " " in value else value


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.status}-{error.sent[:60]}")
def test_what_the_model_writes_is_no_error(error: AnyError) -> None:
    """The text of an error inside a right answer leaves the answer right, and inside a wrong one leaves it wrong."""
    for text, outcome in ((f"{NONCE} {error.sent}", Outcome.OK), (f"{error.sent}", Outcome.BAD_ANSWER)):
        answer = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
        assert classified(json.dumps(answer).encode(), status=200).outcome is outcome


@pytest.mark.parametrize("error", JSON_ERRORS, ids=lambda error: f"{error.status}-{error.sent[:60]}")
def test_the_sentence_of_the_provider_is_kept(error: AnyError) -> None:
    """Whatever the envelope, people see more than a status."""
    detail = classified(error.sent.encode(), status=error.status).detail

    assert any(sentence in detail for sentence in texts(error.body))


def texts(value: Any) -> list[str]:
    """All texts that are no names of keys."""
    if isinstance(value, dict | list):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in texts(item)]
    return [value.strip()] if isinstance(value, str) and value.strip() else []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_an_error_in_another_encoding_is_read(encoding: str) -> None:
    """By its byte order mark, or by the charset of its content type."""
    body = json.dumps({"code": 40003, "msg": "余额不足"}, ensure_ascii=False).encode(encoding)
    ending = classified(body, content_type=f"application/json; charset={encoding}")

    assert (ending.outcome, "余额不足" in ending.detail) == (Outcome.QUOTA, True)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"error": {"message": "x" * 1024 * 1024}}).encode(),
        b'{"error":' * 1000 + b'"deep"' + b"}" * 1000,
        b'{"error":' * 100_000,
        b"\xff\xfe\x00" * 100_000,
        b'{"error": "' + bytes(range(128, 256)) + b'"}',
        json.dumps({"error": {"code": 10**30, "message": {"a": 1}}}).encode(),
        json.dumps({"errors": [None, 7, {"message": ""}], "detail": [[]]}).encode(),
    ],
    ids=["1 MiB", "nested", "endless nesting", "binary", "no UTF-8", "a huge number", "wrong types"],
)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=no-such", "text/plain; charset=hex"])
def test_a_hostile_error_is_the_fault_of_our_request_by_its_status(
    body: bytes, dialect: str, content_type: str
) -> None:
    """Whatever the bytes, the status decides, and the detail stays short."""
    ending = classified(body, dialect=dialect, content_type=content_type)

    assert ending.outcome is Outcome.BAD_REQUEST
    assert 0 < len(ending.detail) < 2 * 1024 * 1024


def test_words_are_known_in_every_group() -> None:
    """Each outcome that the shared rules can give has several examples."""
    counts = {outcome: sum(error.outcome is outcome for error in ERRORS) for outcome in Outcome}

    assert all(counts[outcome] >= 2 for outcome in (Outcome.QUOTA, Outcome.AUTH, Outcome.OVERLOADED, Outcome.REFUSED))
    assert {error.outcome.effect for error in ERRORS} >= {Effect.MISCONFIGURED, Effect.DOWN, Effect.NOTHING}
