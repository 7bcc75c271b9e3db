"""Judges one answer to a question of a golden set (pure): right or wrong, and the gist to compare it by."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from controller.compare.golden_set import AnswerSection, CallSection, GoldenQuestion
from probes import json_schema
from probes.custom_check import SEARCHED_CHARS
from probes.request_reply import Finish, Reply

_NUMBER: Final = re.compile(r"(?<!\w)[-\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_SHOWN: Final = 80
_RIGHT: Final = "right"


class Verdict(StrEnum):
    """What came of asking one question once."""

    RIGHT = "right"
    WRONG = "wrong"
    OPEN = "open"
    """It was answered, and nothing was expected."""
    UNSUPPORTED = "unsupported"
    """The candidate cannot be asked for JSON, or with tools."""
    UNANSWERED = "unanswered"
    """By whosever fault."""


ANSWERED_VERDICTS: Final = frozenset({Verdict.RIGHT, Verdict.WRONG, Verdict.OPEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Of one answer."""

    verdict: Verdict
    flaw: str = ""
    """What is wrong, or why there is no answer. Untrusted: it may quote the answer."""
    fits_schema: bool | None = None
    """None where none was asked for."""
    gist: str = ""
    """Equal for answers that say the same: those that are right, and those of the same words. Never to be shown."""


def judge(question: GoldenQuestion, reply: Reply) -> Judgement:
    """The judgement of a reply, in bounded time: a provider wrote it. Of long texts the beginning counts."""
    text = reply.text.strip()
    schema_flaw = None if question.schema is None else _schema_flaw(question.schema, text)
    flaw = schema_flaw or (_flaw(question, question.expect, reply) if question.expect else None)
    fits_schema = None if question.schema is None else schema_flaw is None
    if flaw and reply.finish is Finish.LENGTH:
        return Judgement(verdict=Verdict.UNANSWERED, flaw=f"cut off by max_tokens ({question.max_tokens}): {flaw}")
    expects = question.expect is not None or question.schema is not None
    verdict = Verdict.WRONG if flaw else Verdict.RIGHT if expects else Verdict.OPEN
    # Where values are expected, answers that have them agree; where a form alone is, those of the same content do.
    gist = _RIGHT if verdict is Verdict.RIGHT and question.expect else _digest(reply)
    return Judgement(verdict=verdict, flaw=flaw or "", fits_schema=fits_schema, gist=gist)


def _schema_flaw(schema: Mapping[str, Any], text: str) -> str | None:
    if len(text) > SEARCHED_CHARS:
        return f"it has more than {SEARCHED_CHARS:,} characters: {text[:_SHOWN]}"
    flaw = json_schema.find_flaw(schema, text)
    return flaw and f"it does not fit the schema: {flaw}: {text[:_SHOWN]}"


def _flaw(question: GoldenQuestion, expected: AnswerSection, reply: Reply) -> str | None:
    """What is wrong with a reply, in a few words; None when it is right."""
    if expected.call:
        return _call_flaw(question, expected.call, reply)
    if reply.calls:
        return f"it called {reply.calls[0].name[:_SHOWN]!r}; expected an answer without a call"
    text = reply.text[:SEARCHED_CHARS].strip()
    if expected.exact is not None:
        right, what = text == expected.exact.strip(), repr(expected.exact.strip()[:_SHOWN])
    elif expected.contains is not None:
        right, what = expected.contains.casefold() in text.casefold(), f"it to hold {expected.contains[:_SHOWN]!r}"
    elif expected.number is not None:
        right, what = _last_number(text) == expected.number, f"the number {expected.number:g}"
    else:
        flaw = _json_flaw(expected.json or {}, text)
        return flaw and f"{flaw}: {text[:_SHOWN]}"
    return None if right else f"expected {what}, found {text[:_SHOWN]!r}"


def _call_flaw(question: GoldenQuestion, expected: CallSection, reply: Reply) -> str | None:
    if not reply.calls:
        return f"expected a call of {expected.name}, found {reply.text.strip()[:_SHOWN]!r}"
    call = reply.calls[0]
    if call.name != expected.name:
        return f"it called {call.name[:_SHOWN]!r}; expected {expected.name}"
    [parameters] = [tool.parameters for tool in question.tools if tool.name == expected.name]
    if flaw := _schema_flaw(parameters, call.arguments):
        return flaw
    flaw = _json_flaw(expected.arguments or {}, call.arguments)
    return flaw and f"{flaw}: {call.name}({call.arguments[:_SHOWN]})"


def _last_number(text: str) -> float | None:
    """`1,250.50`, however it is written around: models explain before they conclude."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "").replace("\u2212", "-")) if found else None


def _json_flaw(expected: Mapping[str, Any], text: str) -> str | None:
    """Where a text is not a JSON object with these values."""
    try:
        value = json.loads(text[: SEARCHED_CHARS + 1])
    except (ValueError, RecursionError):
        return "it is not JSON"
    return _difference(expected, value, "")


def _difference(expected: Any, value: Any, path: str) -> str | None:
    """Where a value differs from what is expected; of objects only the expected keys count."""
    where = path[:_SHOWN] or "it"
    if isinstance(expected, Mapping):
        if not isinstance(value, dict):
            return f"{where} is no object"
        inner = ((f"{path}.{key}".lstrip("."), key, wanted) for key, wanted in expected.items())
        return _first(
            _difference(wanted, value[key], deeper) if key in value else f"{deeper[:_SHOWN]} is missing"
            for deeper, key, wanted in inner
        )
    if isinstance(expected, list):
        if not isinstance(value, list) or len(value) != len(expected):
            return f"{where} is not a list of {len(expected)}"
        pairs = enumerate(zip(expected, value, strict=True))
        return _first(_difference(*pair, f"{path}[{index}]") for index, pair in pairs)
    found = "a list or an object" if isinstance(value, list | dict) else f"{value!r:.80}"
    return None if _same(expected, value) else f"{where} is {found}, expected {expected!r:.80}"


def _first(flaws: Iterable[str | None]) -> str | None:
    return next(filter(None, flaws), None)


def _same(expected: object, value: object) -> bool:
    """Numbers by their value, texts as they are; true is no number."""
    if isinstance(expected, bool) or isinstance(value, bool):
        return expected is value
    if isinstance(expected, float) and isinstance(value, float):
        return math.isclose(expected, value, rel_tol=1e-9)
    return expected == value


def _digest(reply: Reply) -> str:
    """Of the calls, or of the words; of JSON of its values, however it is set."""
    said = [[call.name, _canonical(call.arguments)] for call in reply.calls] or _canonical(reply.text)
    return sha256(json.dumps(said).encode()).hexdigest()


def _canonical(text: str) -> str:
    try:
        return json.dumps(json.loads(text[: SEARCHED_CHARS + 1]), sort_keys=True)
    except (ValueError, RecursionError):
        return " ".join(text[:SEARCHED_CHARS].casefold().split()).rstrip(".")
