"""Parses the bytes of a routing file into a checked, immutable table."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from hotspare_client.target import Limits, Target

FORMAT = "hotspare.routing/1"

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


class TableError(ValueError):
    """The bytes are not a routing table that this reader understands; the message is a sentence without the path."""


_TEXTS = ("provider", "model", "dialect", "base_url", "health")
#: Fields that only some targets have.
_OPTIONAL_TEXTS = ("preset", "region", "api_version")
_LIMITS = ("first_token_s", "stall_s", "p95_s")


@dataclass(frozen=True)
class Table:
    """The content of one routing file, checked."""

    generation: int
    written_at: datetime
    valid_for_s: float
    single: dict[str, Target]
    """Routes with one target: all of them unless a failback in steps is under way. Never changed."""
    split: dict[str, tuple[tuple[float, ...], tuple[Target, ...]]]
    """Routes with several targets: the upper end of each target's slice of 0 to 1, and the targets."""
    points_at: dict[str, Target]
    """The target of each route; during a failback in steps the standby."""
    candidates: dict[str, tuple[Target, ...]]
    """Every target of a route, in the order of preference; one that only the present weights name comes last."""
    report_to: str = ""
    """Where to report how requests end; empty for nowhere."""
    epoch: int = 0
    """Of who decided; tables are in the order of (epoch, generation)."""
    region: str = ""
    """Whose applications it is for; empty where Hotspare has no regions."""


def parse(content: bytes) -> Table:
    """The table in `content`. Raises TableError, and nothing else, when any part of it breaks format 1.

    A file with one broken part is refused as a whole: Hotspare writes it in one go, so something else has changed it.
    """
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except TableError:
        raise
    except RecursionError:
        raise TableError("it is nested too deeply to be a routing table") from None
    except ValueError as error:  # not JSON, not UTF-8, or a number with thousands of digits
        raise TableError(f"it is not JSON: {_cut(str(error))}") from None
    if not isinstance(document, dict):
        raise TableError(f"expected an object, found {_kind(document)}")
    _check_format(document.get("format"))
    return _table(document)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        # One look at each: this runs inside an application's request, on whatever somebody has put there.
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise TableError(f"the key {_cut(repr(twice))} is there twice")
    return value


def _refuse(constant: str) -> None:
    raise TableError(f"it is not JSON: {constant} is not a number")


def _check_format(value: object) -> None:
    if value == FORMAT:
        return
    family, _, version = value.partition("/") if isinstance(value, str) else ("", "", "")
    if family == "hotspare.routing" and re.fullmatch("[0-9]{1,9}", version) and int(version) > 1:
        raise TableError(f"its format {value} is newer than this reader, which knows {FORMAT}: upgrade hotspare-client")
    raise TableError(f"it is not a routing file: expected format {FORMAT!r}, found {_cut(repr(value))}")


def _table(document: dict[str, Any]) -> Table:
    descriptions = _get(document, "targets", "", dict)
    routes = _get(document, "routes", "", dict)
    for name in descriptions:
        _check_target(_get(descriptions, name, "targets", dict), f"targets.{name}")
    single: dict[str, Target] = {}
    split = {}
    candidates = {}
    points_at = {}
    for name in routes:
        candidates[name] = _route(name, _get(routes, name, "routes", dict), descriptions)
        points_at[name] = next(target for target in candidates[name] if target.id == routes[name]["target"])
        targets = tuple(target for target in candidates[name] if target.weight > 0)
        if len(targets) == 1:
            single[name] = targets[0]
        else:
            split[name] = (tuple(accumulate(target.weight for target in targets)), targets)
    counts = {"epoch": 0, **document}
    for key in ("generation", "epoch"):
        if _get(counts, key, "", int) < 0:
            raise TableError(f"{key}: expected 0 or more, found {counts[key]}")
    written_at = _instant(document, "written_at", "")
    valid_for_s = _number(_get(document, "valid_for_s", "", (int, float)), "valid_for_s")
    if valid_for_s <= 0:
        raise TableError(f"valid_for_s: expected more than 0, found {valid_for_s}")
    return Table(
        generation=counts["generation"],
        epoch=counts["epoch"],
        written_at=written_at,
        valid_for_s=valid_for_s,
        single=single,
        split=split,
        points_at=points_at,
        report_to=_get(document, "report_to", "", str) if "report_to" in document else "",
        candidates=candidates,
        region=_get(document, "region", "", str) if "region" in document else "",
    )


def _check_target(fields: dict[str, Any], place: str) -> None:
    for key in _TEXTS:
        _get(fields, key, place, str)
    _get(fields, "api_key_env", place, (str, type(None)))
    for key in _OPTIONAL_TEXTS:
        if fields.get(key) is not None:
            _get(fields, key, place, str)
    if fields.get("context") is not None and _get(fields, "context", place, int) < 1:
        raise TableError(f"{_cut(place)}.context: expected 1 or more, found {fields['context']}")
    for key in ("signing", "drained"):
        if key in fields:
            _get(fields, key, place, bool)
    limits = _get(fields, "limits", place, dict) if "limits" in fields else {}
    for key in _LIMITS:
        if key in limits:
            seconds = _number(_get(limits, key, f"{place}.limits", (int, float)), f"{place}.limits.{key}")
            if seconds <= 0:
                raise TableError(f"{_cut(place)}.limits.{key}: expected more than 0, found {seconds}")


def _route(name: str, fields: dict[str, Any], descriptions: dict[str, Any]) -> tuple[Target, ...]:
    """The targets of a route; one of them at least gets requests."""
    place = f"routes.{name}"
    weights = _get(fields, "weights", place, dict)
    candidates = _get(fields, "candidates", place, list)
    for target in (_get(fields, "target", place, str), *candidates, *weights):
        if not isinstance(target, str) or target not in descriptions:
            raise TableError(f"{place}: {_cut(repr(target))} is not among the targets")
    shares = _shares(weights, f"{place}.weights")
    common = {"route": name, "reason": _get(fields, "reason", place, str), "since": _instant(fields, "since", place)}
    if "move" in fields:
        common["move"] = _get(fields, "move", place, str)
    # In the order of preference, so that the slice of the preferred target only grows while its weight rises.
    return tuple(
        _target(target, descriptions[target], weight=shares.get(target, 0.0), **common)
        for target in dict.fromkeys((*candidates, *weights, fields["target"]))
    )


def _shares(weights: dict[str, Any], place: str) -> dict[str, float]:
    """The share of each target that gets requests, from 0 to 1."""
    numbers = {}
    for target in weights:
        number = _number(_get(weights, target, place, (int, float)), place)
        if number < 0:
            raise TableError(f"{place}: expected 0 or more, found {number}")
        if number > 0:
            numbers[target] = number
    if not numbers:
        raise TableError(f"{place}: expected one above 0, found none")
    # Divided before they are added, so that weights near the largest float cannot add up to infinity.
    parts = {target: number / max(numbers.values()) for target, number in numbers.items()}
    total = math.fsum(parts.values())
    return {target: part / total for target, part in parts.items()}


def _target(name: str, fields: dict[str, Any], **common: Any) -> Target:
    known = (*_TEXTS, "api_key_env", *_OPTIONAL_TEXTS, "signing", "drained", "context")
    description = {key: value for key, value in fields.items() if key in known}
    limits = {key: float(value) for key, value in fields.get("limits", {}).items() if key in _LIMITS}
    return Target(id=name, limits=Limits(**limits), **description, **common)


def _get(fields: dict[str, Any], key: str, place: str, kind: type | tuple[type, ...]) -> Any:
    """The value under `key`, of the right type; True and False are not numbers."""
    where = f"{place}.{key}" if place else key
    if key not in fields:
        raise TableError(f"{_cut(where)} is missing")
    value = fields[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        expected = " or ".join(_NAMES[each] for each in (kind if isinstance(kind, tuple) else (kind,)))
        raise TableError(f"{_cut(where)}: expected {expected}, found {_kind(value)}")
    return value


def _instant(fields: dict[str, Any], key: str, place: str) -> datetime:
    value = _get(fields, key, place, str)
    if _INSTANT.fullmatch(value):
        try:
            # Python 3.10 reads neither "Z" nor a fraction of other than 3 or 6 digits.
            whole, _, fraction = value[:-1].partition(".")
            return datetime.fromisoformat(f"{whole}.{fraction.ljust(6, '0')}+00:00")
        except ValueError:
            pass
    raise TableError(f"{_cut(f'{place}.{key}' if place else key)}: expected an instant in UTC, found {_cut(value)}")


def _number(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise TableError(f"{_cut(where)}: expected a finite number")
    return number


_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _NAMES.get(type(value), "something else")


def _cut(text: str) -> str:
    """At most 120 characters of it."""
    return text if len(text) <= 120 else f"{text[:120]}…"
