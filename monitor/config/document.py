"""A strict YAML reader: every value keeps its place and its text; nothing is converted.

It refuses, each with its line, duplicate keys, aliases, tags, a second document, keys that are not plain values, and
files that are too large, too deep or hold too many values. What YAML 1.1 reads as a boolean, a date or a base-60 number
stays text, with its `ScalarKind`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from monitor.config.value_files import UnreadableFileError, read_bounded

LARGEST_BYTES = 1024 * 1024
_DEEPEST = 20
_MOST_VALUES = 50_000
_UNQUOTED = re.compile(r"character '([@`%])' that cannot start any token")

# Braces end a bare word inside `{…}`, so `{key: ${NAME}}` would be no YAML: while it is parsed, private characters of
# the same width stand for the braces of variables.
_VARIABLE = re.compile(r"\$\{([^{}\[\],\s\"']*)\}")
_HIDDEN = str.maketrans({"\U0010fffc": "{", "\U0010fffd": "}"})


class ScalarKind(StrEnum):
    """How YAML 1.1 reads a bare word."""

    TEXT = "text"
    NUMBER = "a number"
    FLAG = "true or false"
    DATE = "a date"
    NOTHING = "nothing"


_KINDS = {
    "tag:yaml.org,2002:bool": ScalarKind.FLAG,
    "tag:yaml.org,2002:int": ScalarKind.NUMBER,
    "tag:yaml.org,2002:float": ScalarKind.NUMBER,
    "tag:yaml.org,2002:timestamp": ScalarKind.DATE,
    "tag:yaml.org,2002:null": ScalarKind.NOTHING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Line and column from 1, and the keys and indexes that lead there."""

    line: int
    column: int
    steps: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of any kind. In a mapping its place is that of its key."""

    place: Place

    @property
    def values(self) -> dict[str, "Node"]:
        """What stands under the keys of a mapping; nothing in any other value."""
        return {key.text: value for key, value in self.entries} if isinstance(self, Mapping) else {}

    def has(self, name: str) -> bool:
        """Whether the key is in the file, be its value good or bad."""
        return name in self.values

    def at(self, name: str) -> Place:
        """The key's place, or that of the whole where the key is not in the file."""
        return self.values.get(name, self).place

    def child(self, name: str) -> "Node":
        """What stands under the key, or a value that is missing in its place."""
        return self.values.get(name) or Broken(place=replace(self.place, steps=(*self.place.steps, name)))

    def is_nothing(self) -> bool:
        """Whether the key is there and its value is not."""
        return isinstance(self, Scalar) and self.kind is ScalarKind.NOTHING

    def is_empty(self) -> bool:
        """Whether there is no value, or a list or a mapping without anything in it."""
        children = self.items if isinstance(self, Sequence) else self.values
        return self.is_nothing() or (isinstance(self, Sequence | Mapping) and not children)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar(Node):
    """A single value as it was written."""

    text: str
    kind: ScalarKind = ScalarKind.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping(Node):
    """Keys with values, in the order of the file."""

    entries: tuple[tuple[Scalar, Node], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(Node):
    """A value that is wrong or missing, which has been reported."""


#: Not in the installed package.
_EXAMPLES = frozenset({"hotspare.example.yaml", "scenario.example.yaml"})


def _advice(path: Path, example: str) -> str:
    if path.name in _EXAMPLES:
        return "it comes with Hotspare's repository, and not with the package; name a file of your own"
    return f"copy {example} to it and edit it"


def read_text(path: Path, *, example: str = "hotspare.example.yaml") -> str:
    """The file's text; raises UnreadableFileError, which names the example to begin with."""
    missing = f"there is no such file; {_advice(path, example)}"
    data = read_bounded(path, largest_bytes=LARGEST_BYTES, expected="a YAML file", missing=missing)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(f"is not UTF-8 (line {line}); save it as UTF-8") from None


def parse(text: str, report: Callable[[Place, str], object]) -> Node | None:
    """The tree of one YAML document as far as it can be read, None where it is empty; what is refused is reported."""
    text = _VARIABLE.sub("$\U0010fffc\\1\U0010fffd", text)
    composer: Any = None  # types-pyyaml leaves some of its methods untyped
    try:
        composer = _Composer(text, report)
        root: Node | None = composer.get_node() if composer.check_node() else None
        if composer.check_node():
            report(_place(composer.peek_event().start_mark), "a second document begins here; expected only one")
        return root
    except _StopError:
        pass
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        before = text[: error.position]
        place = Place(line=before.count("\n") + 1, column=error.position - before.rfind("\n"))
        report(place, f"the character U+{code:04X} is not allowed")
    except yaml.MarkedYAMLError as error:
        report(_place(error.problem_mark or error.context_mark), _sentence(error))
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets these through for escapes such as "\UFFFFFFFF".
        report(_place(composer and composer.get_mark()), "not valid YAML: an escape or a number in it is out of range")
    return None


class _StopError(Exception):
    """Reading cannot go on; the reason has been reported."""


class _Composer(yaml.SafeLoader):
    """Composes the nodes of this module in place of PyYAML's, and reports what is refused as soon as it comes."""

    def __init__(self, text: str, report: Callable[[Place, str], object]) -> None:
        super().__init__(text)
        self._report = report
        self._steps: tuple[str | int, ...] = ()
        self._values = 0
        self._first: dict[tuple[yaml.MappingNode, str], Place] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node; `index` is its place in a sequence, or its key in a mapping (None: it is a key)."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        steps = self._steps
        place = self._place_of(event, parent, index)
        self._count(place)
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            self._report(place, "aliases (*name) are not supported; write the value out")
            node: Node = Broken(place=place)
        else:
            if event.tag is not None:
                self._report(place, "tags (!name) are not supported; write the plain value")
            event.tag = event.anchor = None
            self._steps = place.steps
            node = self._node(super().compose_node(parent, index), place)
            self._steps = steps
        if isinstance(index, Node):
            self._check_key(parent, index, place)
        return node

    def _place_of(self, event: Any, parent: Any, index: Any) -> Place:
        if parent is None:
            return _place(event.start_mark)
        if isinstance(index, Node):
            return replace(index.place, steps=(*self._steps, index.text if isinstance(index, Scalar) else "?"))
        # A key is one level deeper even where it turns out to be a list, so that `? [? [? [` meets the depth cap.
        return _place(event.start_mark, (*self._steps, "?" if index is None else index))

    def _count(self, place: Place) -> None:
        self._values += 1
        text = f"nested more than {_DEEPEST} levels deep" if len(place.steps) > _DEEPEST else None
        text = f"more than {_MOST_VALUES:,} values" if self._values > _MOST_VALUES else text
        if text:
            self._report(replace(place, steps=()), text)
            raise _StopError

    def _check_key(self, mapping: yaml.MappingNode, key: Node, place: Place) -> None:
        if isinstance(key, Scalar):
            first = self._first.setdefault((mapping, key.text), place)
            if first is not place:
                self._report(place, f"is here twice (first on line {first.line}); remove one")
        elif not isinstance(key, Broken):
            at = replace(key.place, steps=place.steps[:-1])
            self._report(at, "a key must be a single word, not a list or a mapping")

    def _node(self, node: Any, place: Place) -> Node:
        if isinstance(node, yaml.SequenceNode):
            return Sequence(place=place, items=tuple(node.value))
        if isinstance(node, yaml.MappingNode):
            entries: dict[str, tuple[Scalar, Node]] = {}
            for key, value in node.value:
                if isinstance(key, Scalar):
                    entries.setdefault(key.text, (replace(key, place=value.place), value))
            return Mapping(place=place, entries=tuple(entries.values()))
        text = node.value.translate(_HIDDEN)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._report(place, "holds half of a surrogate pair (\\ud800 to \\udfff), which is not a character")
            return Broken(place=place)
        return Scalar(place=place, text=text, kind=_KINDS.get(node.tag, ScalarKind.TEXT))


def _place(mark: yaml.Mark | None, steps: tuple[str | int, ...] = ()) -> Place:
    if mark is None:
        return Place(line=1, column=1, steps=steps)
    return Place(line=mark.line + 1, column=mark.column + 1, steps=steps)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = (error.problem or "something is wrong here").translate(_HIDDEN)
    if "'\\t'" in problem:
        return "not valid YAML: a tab where none can stand; indent with spaces"
    if "mapping values are not allowed" in problem:
        return "not valid YAML: a ': ' where no key can stand; check the indentation, or quote the text"
    if match := _UNQUOTED.search(problem):
        return f'not valid YAML: a text that begins with {match[1]} needs quotes: "{match[1]}…"'
    if "expected <block end>" in problem:
        return f"not valid YAML: this line is not indented as those before it{_context(error)}"
    return f"not valid YAML: {problem}{_context(error)}"


def _context(error: yaml.MarkedYAMLError) -> str:
    begin, end = error.context_mark, error.problem_mark
    if not error.context or begin is None or end is None or begin.line == end.line:
        return ""
    return f" ({error.context} that begins on line {begin.line + 1})"
