"""Reads single values of a YAML file, expands their variables, and reports what is wrong with them."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from monitor.config.document import Broken, Node, Place, Scalar, ScalarKind, Sequence
from monitor.config.document import Mapping as YamlMapping
from monitor.config.problems import Problems
from monitor.config.value_files import UnreadableFileError, read_value_file
from probes.redaction import one_line
from probes.target import Target

#: `$${`, the variable's name, the file's path, or what only begins like one.
_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{file:([^{}]+)\}|\$\{")


_NOTHING = Broken(place=Place(line=1, column=1))


class ReportedError(ValueError):
    """A value cannot be used, and what is wrong with it has been reported."""


class Text(str):
    """A text after the expansion of its variables, with its place."""

    place: Place
    written: str
    """Before the expansion: the only form that may be shown."""

    def __new__(cls, value: str, *, place: Place, written: str) -> Self:
        """A string that remembers more."""
        text = super().__new__(cls, value)
        text.place, text.written = place, written
        return text

    @property
    def expanded(self) -> bool:
        """Whether the value came, in whole or in part, from the environment or a file."""
        return any(match[1] or match[2] for match in _VARIABLE.finditer(self.written))


@dataclass(slots=True, kw_only=True)
class ReadContext:
    """What reading a file needs besides its nodes; passed to pydantic as the validation context."""

    environ: Mapping[str, str]
    problems: Problems
    keys: bool = True
    """False where keys and tokens are not needed, and need not be in the environment."""
    stores: bool = True
    """False where nothing is stored: then a database in memory is accepted."""
    page: bool = False
    """Whether the secrets of the page are needed."""
    root: Node = _NOTHING
    """The whole file, for rules about keys of several sections."""
    revision: str = ""
    """Of the file."""
    files: set[str] = field(default_factory=set)
    """Those whose values were read."""
    variables: set[str] = field(default_factory=set)
    """Those whose values were read, or are missing."""
    unset: set[str] = field(default_factory=set)
    """Those of them that are missing."""
    targets: dict[str, Target] = field(default_factory=dict)
    """By their plain names, as soon as they have been read, for the keys that name them."""

    def reject(self, node: Node, expected: str) -> ReportedError:
        """Report a value of the wrong type; returns the error to raise."""
        if not isinstance(node, Broken):
            text = f"is empty; expected {expected}"
            if not node.is_empty():
                found = "a list" if isinstance(node, Sequence) else "a mapping"
                shown = self.problems.shown(node.text) if isinstance(node, Scalar) else found
                text = f"expected {expected}, found {shown}"
            self.problems.problem(node.place, text)
        return ReportedError(expected)

    def report(self, place: Place, text: str) -> ReportedError:
        """Report a problem; returns the error to raise."""
        self.problems.problem(place, text)
        return ReportedError(text)

    def require(self, node: Node, name: str, expected: str) -> None:
        """Report a key that is missing; not where something else than a mapping stands, which has been reported."""
        if not node.has(name) and (isinstance(node, YamlMapping) or node.is_nothing()):
            self.report(node.place, f"{name} is missing; expected {expected}")

    def refuse(self, text: Text, reason: str) -> ReportedError:
        """Report a value with a phrase that goes on from it; what a variable held is not shown."""
        return self.report(text.place, f"{self.problems.shown(text.written)} {reason}")

    def unknown(self, place: Place, value: str, what: str, known: Iterable[str]) -> ReportedError:
        """Report a word that is none of those that are known, with the one that is probably meant."""
        known = tuple(known)
        hint = self.problems.did_you_mean(value, known) or f"; known: {', '.join(known)}"
        return self.report(place, f"{self.problems.shown(value)} is not {what}{hint}")

    def scalar(self, node: Node, expected: str) -> Text:
        """A single value of any kind with its variables expanded; raises ReportedError."""
        if not isinstance(node, Scalar) or node.is_nothing():
            raise self.reject(node, expected)
        value = self._expand(node) if node.kind is ScalarKind.TEXT else node.text
        return Text(value, place=node.place, written=node.text)

    def text(self, node: Node, expected: str) -> Text:
        """Like `scalar`, but neither empty nor what YAML takes for a number, a boolean or a date."""
        text = self.scalar(node, expected)
        if isinstance(node, Scalar) and node.kind is not ScalarKind.TEXT:
            raise self.report(node.place, f"YAML takes this for {node.kind}; put it in quotes")
        if not text.strip():
            raise self.report(node.place, f"is empty; expected {expected}")
        return text

    def texts(self, node: Sequence, item: str) -> tuple[Text, ...]:
        """The texts of a list without those that are wrong, which are reported."""
        texts: list[Text] = []
        for entry in node.items:
            with suppress(ReportedError):
                texts.append(self.text(entry, item))
        return tuple(texts)

    def parse(self, node: Node, expected: str, parse: Callable[[str], float]) -> float:
        """A value with a unit; `parse` raises ValueError with a phrase that goes on from the text."""
        text = self.scalar(node, expected)
        try:
            return parse(text)
        except ValueError as error:
            # The parser's phrase may repeat the value, which a variable may have made a secret.
            raise self.refuse(text, f"does not hold {expected}" if text.expanded else str(error)) from None

    def _expand(self, node: Scalar) -> str:
        missing: list[str] = []

        def value_of(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            if match[2]:
                self.files.add(match[2])
                return self._file(match[2], missing)
            value = self.environ.get(match[1], "") if match[1] else ""
            if match[1]:
                self.variables.add(match[1])
            if not value.strip():
                self.unset |= {match[1]} if match[1] else set()
                missing.append(self._missing(match[1]))
            return value

        expanded = _VARIABLE.sub(value_of, node.text)
        for sentence in dict.fromkeys(missing):
            self.problems.problem(node.place, sentence)
        if missing:
            raise ReportedError
        return expanded

    def _file(self, path: str, missing: list[str]) -> str:
        try:
            value = read_value_file(path)
        except UnreadableFileError as error:
            missing.append(f"the file {one_line(path, 300)} {error}")
            return ""
        self.problems.keep_secret(value)
        return value

    def _missing(self, name: str | None) -> str:
        if name is None:
            written = "is written ${NAME} or ${file:PATH}; write $${ for the characters themselves"
            return f"'${{' begins a variable, which {written}"
        state = "set but empty" if name in self.environ else "not set"
        return f"the environment variable {name} is {state}; export it, or remove this entry"


def variable_of(node: Node) -> str | None:
    """The variable's name where the value is exactly `${NAME}`."""
    match = _VARIABLE.fullmatch(node.text) if isinstance(node, Scalar) else None
    return match[1] if match else None


def file_of(node: Node) -> str | None:
    """The file's path where the value is exactly `${file:PATH}`."""
    match = _VARIABLE.fullmatch(node.text) if isinstance(node, Scalar) else None
    return match[2] if match else None
