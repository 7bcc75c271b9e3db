"""Answers as no provider would give them: recorded ones, damaged with dice in every way that has ever hurt a parser."""

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from probes.dialects.registry import DIALECTS
from probes.target import Check
from tests.probes.test_outcome import RECORDED, Recorded
from tests.support.frames import frame, framed
from tests.support.oddities import HEADERS, KEY, ODD_VALUES, RAW_VALUES, STATUSES, TOKENS


@dataclass(frozen=True, kw_only=True)
class Case:
    """One answer to one question, and how it is cut on its way."""

    dialect: str
    check: Check
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cuts: tuple[int, ...]
    """Lengths of the chunks, over and over; empty: one chunk."""
    aborted: bool = False
    """Whether the connection breaks after the last byte."""

    def as_json(self) -> str:
        """To be kept, and read back by `from_json`."""
        body = base64.b64encode(zlib.compress(self.body)).decode()
        return json.dumps({**vars(self), "body": body}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Case":
        """The case that `as_json` wrote."""
        kept = json.loads(text)
        return cls(
            dialect=kept["dialect"],
            check=Check(kept["check"]),
            status=kept["status"],
            headers=tuple((name, value) for name, value in kept["headers"]),
            body=zlib.decompress(base64.b64decode(kept["body"])),
            cuts=tuple(kept["cuts"]),
            aborted=kept["aborted"],
        )


_PLACEHOLDER: Final = "@raw@"
#: Rare questions are asked as often as common ones.
_ALIKE: Final = {
    (dialect, check): alike
    for dialect in DIALECTS
    for check in Check
    if (alike := [recorded for recorded in RECORDED if (recorded.dialect, recorded.check) == (dialect, check)])
}
_BOMB: Final = gzip.compress(bytes(20_000_000), mtime=0)


def mutant(dice: random.Random) -> Case:
    """A recorded answer after one to six accidents."""
    recorded = dice.choice(_ALIKE[dice.choice(list(_ALIKE))])
    case = Case(
        dialect=recorded.dialect,
        check=recorded.check,
        status=recorded.status,
        headers=tuple(recorded.headers),
        body=_started(dice, recorded),
        cuts=_cuts(dice),
        aborted=dice.random() < 0.1,
    )
    for _ in range(dice.choice((0, 1, 1, 2, 3, 6))):
        case = dice.choice(_ACCIDENTS)(dice, case)
    if dice.random() < 0.02:
        case = dice.choice((_huge, _huge, _huge, _bombed))(dice, case)
    tiny = len(case.body) > 50_000 and sum(case.cuts) < 1000 * len(case.cuts)
    return replace(case, cuts=(4096,)) if tiny else case


def _started(dice: random.Random, recorded: Recorded) -> bytes:
    """Its body, often with the structure damaged: that finds the most."""
    if dice.random() < 0.3:
        return recorded.body
    if recorded.binary:
        return _reframed(dice, recorded.body)
    lines = recorded.body.decode("utf-8", "replace").split("\n")
    if not any(line.startswith("data:") for line in lines):
        return _rewritten(dice, recorded.body.decode("utf-8", "replace")).encode("utf-8", "surrogatepass")
    for _ in range(dice.choice((1, 1, 2))):
        place = dice.randrange(len(lines))
        if lines[place].startswith("data:"):
            lines[place] = "data: " + _rewritten(dice, lines[place][5:].strip())
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _cuts(dice: random.Random) -> tuple[int, ...]:
    return dice.choice(((), (), (1,), (7, 1, 40), (4096,), tuple(dice.randint(1, 200) for _ in range(5))))


def _rewritten(dice: random.Random, text: str) -> str:
    """JSON with some of its values replaced, taken out, renamed, doubled or of another type."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    raws: list[str] = []
    for _ in range(dice.choice((1, 1, 2, 4))):
        value = _changed(dice, value, raws)
    written = json.dumps(value, ensure_ascii=dice.random() < 0.5)
    for raw in raws:
        written = written.replace(json.dumps(_PLACEHOLDER), raw, 1)
    return written


def _changed(dice: random.Random, value: Any, raws: list[str]) -> Any:
    """The value with one change, somewhere inside it."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        return _changed_object(dice, value, raws)
    if isinstance(value, list) and value and dice.random() < 0.85:
        place = dice.randrange(len(value))
        changed = [*value[:place], _changed(dice, value[place], raws), *value[place + 1 :]]
        return dice.choice((changed, changed, changed, changed * 2, value[:place], [*value, *value[place:]]))
    if dice.random() < 0.2:
        raws.append(dice.choice((*RAW_VALUES, _nested(dice))))
        return _PLACEHOLDER
    return dice.choice((dice.choice(ODD_VALUES), dice.choice(ODD_VALUES), [value], {"a": value}, str(value)))


def _nested(dice: random.Random) -> str:
    """About as deep as Python can follow: what reads it may succeed where what writes it does not."""
    depth = dice.choice((dice.randint(2, 1200), dice.randint(850, 1000)))
    return dice.choice(("[" * depth + "]" * depth, '{"a":' * depth + "0" + "}" * depth))


def _changed_object(dice: random.Random, value: dict[str, Any], raws: list[str]) -> Any:
    name = dice.choice(list(value))
    others = {key: item for key, item in value.items() if key != name}
    match dice.randrange(8):
        case 0:
            return others
        case 1:
            return {**others, dice.choice(("", "error", name.upper(), f"{name}s", "x" * 300)): value[name]}
        case 2:
            return {**value, dice.choice(("error", "type", "message", "detail", "usage")): dice.choice(ODD_VALUES)}
    return {**value, name: _changed(dice, value[name], raws)}


def _reframed(dice: random.Random, body: bytes) -> bytes:
    """Frames whose payload, headers or order has changed, and whose checksums are right all the same."""
    frames: list[bytes] = []
    while len(body) >= 16 and (length := int.from_bytes(body[:4])) <= len(body):
        frames.append(body[:length])
        body = body[length:]
    for _ in range(dice.choice((1, 2)) if frames else 0):
        place = dice.randrange(len(frames))
        match dice.randrange(6):
            case 0:
                dice.shuffle(frames)
            case 1:
                frames[place:place] = [frames[place]] * dice.choice((1, 50))
            case 2:
                frames.insert(place, _odd_frame(dice))
            case _:
                frames[place] = _other_frame(dice, frames[place])
    return b"".join(frames) + body


def _other_frame(dice: random.Random, whole: bytes) -> bytes:
    """The frame with other headers or another payload."""
    headers_end = 12 + int.from_bytes(whole[4:8])
    try:
        headers = _header_strings(whole[12:headers_end])
    except (IndexError, UnicodeDecodeError):  # an odd one already
        return whole
    payload = whole[headers_end:-4]
    if dice.random() < 0.3:
        headers[dice.choice((*headers, ":message-type"))] = dice.choice(("", "exception", "error", KEY))
        return frame(headers, payload)
    return frame(headers, _rewritten(dice, payload.decode("utf-8", "replace")).encode("utf-8", "surrogatepass"))


def _odd_frame(dice: random.Random) -> bytes:
    """Nonsense under right checksums."""
    if dice.random() < 0.5:
        return framed(dice.randbytes(dice.randint(1, 30)), b"{}")
    lengths = b"".join(dice.choice((0, 1, 12, 15, 16, 17, 100, 2**20, 2**32 - 1)).to_bytes(4) for _ in range(2))
    return lengths + zlib.crc32(lengths).to_bytes(4) + bytes(4)


def _header_strings(data: bytes) -> dict[str, str]:
    found = {}
    while data:
        name, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        length = int.from_bytes(data[1:3])
        found[name.decode()], data = data[3 : 3 + length].decode(), data[3 + length :]
    return found


def _bits(dice: random.Random, case: Case) -> Case:
    body = bytearray(case.body)
    for _ in range(dice.randint(1, 4)):
        if body:
            body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    return replace(case, body=bytes(body))


def _slice(dice: random.Random, body: bytes) -> tuple[int, int]:
    start = dice.randint(0, len(body))
    return start, min(len(body), start + dice.choice((1, 5, 50, 1000)))


def _taken_out(dice: random.Random, case: Case) -> Case:
    start, end = _slice(dice, case.body)
    return replace(case, body=case.body[:start] + case.body[end:])


def _repeated(dice: random.Random, case: Case) -> Case:
    start, end = _slice(dice, case.body)
    often = dice.choice((2, 2, 2, 3, 100, 100_000)) if end - start < 60 else 2
    return replace(case, body=case.body[:start] + case.body[start:end] * often + case.body[end:])


def _truncated(dice: random.Random, case: Case) -> Case:
    return replace(case, body=case.body[: dice.randint(0, len(case.body))])


def _inserted(dice: random.Random, case: Case) -> Case:
    start = dice.randint(0, len(case.body))
    added = dice.choice((*TOKENS, dice.randbytes(dice.randint(1, 40)), dice.choice(RAW_VALUES).encode()))
    return replace(case, body=case.body[:start] + added + case.body[start:])


def _spliced(dice: random.Random, case: Case) -> Case:
    other = dice.choice(RECORDED).body
    return replace(case, body=case.body[: dice.randint(0, len(case.body))] + other[dice.randint(0, len(other)) :])


def _huge(dice: random.Random, case: Case) -> Case:
    filler = dice.choice((*TOKENS, b" ", b"x", b'{"a":1},', b"data: {}\n\n", b"0,", b"[],"))
    times = dice.choice((1000, 100_000, 1_200_000)) // len(filler)
    start = dice.randint(0, len(case.body))
    return replace(
        case, body=case.body[:start] + filler * times + case.body[start:], cuts=dice.choice(((), (4096,), (65536,)))
    )


def _other_status(dice: random.Random, case: Case) -> Case:
    return replace(case, status=dice.choice(STATUSES))


def _other_check(dice: random.Random, case: Case) -> Case:
    return replace(case, check=dice.choice(list(Check)))


def _other_dialect(dice: random.Random, case: Case) -> Case:
    return replace(case, dialect=dice.choice(RECORDED).dialect)


def _header_added(dice: random.Random, case: Case) -> Case:
    added = dice.choice(HEADERS)
    body = case.body
    if added == ("content-encoding", "gzip") and dice.random() < 0.7:
        body = gzip.compress(body, mtime=0)
    kept = [header for header in case.headers if header[0].lower() != added[0] or dice.random() < 0.3]
    return replace(case, headers=(*kept, added), body=body)


def _bombed(dice: random.Random, case: Case) -> Case:
    return replace(case, headers=(*case.headers, ("content-encoding", "gzip")), body=_BOMB, cuts=(4096,))


def _header_lost(dice: random.Random, case: Case) -> Case:
    return replace(case, headers=tuple(header for header in case.headers if dice.random() < 0.5))


def _cut_otherwise(dice: random.Random, case: Case) -> Case:
    return replace(case, cuts=_cuts(dice))


_ACCIDENTS: Final[Sequence[Callable[[random.Random, Case], Case]]] = (
    *(_bits, _taken_out, _repeated, _truncated, _inserted, _inserted, _spliced, _other_status, _other_check),
    *(_other_check, _header_added, _header_added, _header_lost, _cut_otherwise, _other_dialect),
)
