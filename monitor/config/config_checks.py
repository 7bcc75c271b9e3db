"""The configuration of checks: a list, or weights by name."""

from monitor.config.document import Broken, Mapping, Node
from monitor.config.schema import Section
from monitor.config.turns import HEAVIEST, turns
from probes.target import Check

_KNOWN = tuple(str(check) for check in Check)
_WHAT = "a check of this version"


def read_checks(section: Section) -> tuple[Check, ...] | None:
    """The order in which a target's checks take turns, from `[chat, stream]` or `{chat: 3, stream: 1}`.

    None when the key is not there or has nothing good.
    """
    node = section.entries.get("checks")
    if isinstance(node, Mapping):
        return _weighed(section, node)
    names = section.choices("checks", _KNOWN, _WHAT)
    return tuple(Check(name) for name in names) if names else None


def _weighed(section: Section, node: Mapping) -> tuple[Check, ...] | None:
    weights: dict[Check, int] = {}
    if not node.entries:
        section.findings.problem(node.place, f"is empty; expected one or more of {', '.join(_KNOWN)}")
    for name, value in node.entries:
        weight = _weight(section, value)
        if name.text not in _KNOWN:
            hint = section.findings.did_you_mean(name.text, _KNOWN) or f"; known: {', '.join(_KNOWN)}"
            section.findings.problem(name.place, f"{section.findings.shown(name.text)} is not {_WHAT}{hint}")
        elif weight is not None:
            weights[Check(name.text)] = weight
    return turns(weights) if weights else None


def _weight(section: Section, node: Node) -> int | None:
    expected = f"a whole number from 1 to {HEAVIEST}"
    text = section.reader.scalar(node, expected)
    if text is None:
        return None
    if text.value.isdecimal() and 1 <= int(text.value[:9]) <= HEAVIEST:
        return int(text.value)
    if not isinstance(node, Broken):
        section.findings.problem(node.place, f"expected {expected}, found {section.findings.shown(text.written)}")
    return None
