"""Single values of the configuration: what was written, with its variables expanded, and what may be shown of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.config.config_keys import KEYS
from monitor.config.document import Broken, Kind, Node, Place, Scalar, Sequence
from monitor.config.document import Mapping as YamlMapping
from monitor.config.problems import Problems

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text after the expansion of its variables."""

    place: Place
    value: str
    written: str
    """Before the expansion: the only form that may be shown."""

    @property
    def expanded(self) -> bool:
        """Whether the value came, in whole or in part, from the environment."""
        return any(match[1] for match in _VARIABLE.finditer(self.written))

    @property
    def variable(self) -> str | None:
        """The variable's name where the text is exactly `${NAME}`."""
        match = _VARIABLE.fullmatch(self.written)
        return match[1] if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What reading takes besides the values: the environment, and where to put what is wrong."""

    environ: Mapping[str, str]
    findings: Problems
    keys: bool = True
    """False where keys and tokens are not needed, and need not be in the environment."""
    stores: bool = True
    """False where nothing is stored: then a database in memory will do."""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: KEYS)
    """The keys of each section of the file; `*` stands for a name of people's own choice."""

    def wrong(self, node: Node, expected: str) -> None:
        """Report a value of the wrong type."""
        if isinstance(node, Broken):
            return
        text = f"is empty; expected {expected}"
        if not is_empty(node):
            found = "a list" if isinstance(node, Sequence) else "a mapping"
            text = f"expected {expected}, found {self.findings.shown(node.text) if isinstance(node, Scalar) else found}"
        self.findings.problem(node.place, text)

    def scalar(self, node: Node, expected: str) -> Text | None:
        """A single value of whatever kind with its variables expanded; None when that has been reported."""
        if not isinstance(node, Scalar) or is_nothing(node):
            self.wrong(node, expected)
            return None
        value = self._expand(node) if node.kind is Kind.TEXT else node.text
        return None if value is None else Text(place=node.place, value=value, written=node.text)

    def text(self, node: Node, expected: str) -> Text | None:
        """Like `scalar`, but never empty, and not where YAML sees a number, a boolean or a date."""
        text = self.scalar(node, expected)
        if text is None:
            return None
        if isinstance(node, Scalar) and node.kind is not Kind.TEXT:
            self.findings.problem(node.place, f"YAML takes this for {node.kind}; put it in quotes")
            return None
        if not text.value.strip():
            self.findings.problem(node.place, f"is empty; expected {expected}")
            return None
        return text

    def _expand(self, node: Scalar) -> str | None:
        missing: list[str] = []

        def value_of(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            value = self.environ.get(match[1], "") if match[1] else ""
            if not value.strip():
                missing.append(self._missing(match[1]))
            return value

        expanded = _VARIABLE.sub(value_of, node.text)
        for sentence in dict.fromkeys(missing):
            self.findings.problem(node.place, sentence)
        return None if missing else expanded

    def _missing(self, name: str | None) -> str:
        if name is None:
            return "'${' begins a variable, which is written ${NAME}; write $${ for the characters themselves"
        state = "set but empty" if name in self.environ else "not set"
        return f"the environment variable {name} is {state}; export it, or remove this entry"


def is_empty(node: Node) -> bool:
    """Whether there is no value, or a list or a mapping without anything in it."""
    return (
        is_nothing(node)
        or (isinstance(node, Sequence) and not node.items)
        or (isinstance(node, YamlMapping) and not node.entries)
    )


def is_nothing(node: Node) -> bool:
    """Whether the key is there and its value is not."""
    return isinstance(node, Scalar) and node.kind is Kind.NOTHING
