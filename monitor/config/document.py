"""A strict YAML reader: every value keeps its place and its text; nothing is converted.

It refuses, each with its line, duplicate keys, aliases, tags, a second document, keys that are not plain values, and
files that are too large, too deep or hold too many values. What YAML 1.1 reads as a boolean, a date or a base-60 number
stays text, with its `ScalarKind`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

LARGEST_BYTES = 1024 * 1024
_DEEPEST = 20
_MOST_VALUES = 50_000

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
class Scalar:
    """A single value as it was written."""

    place: Place
    text: str
    kind: ScalarKind = ScalarKind.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys with values, in the order of the file; a value's place is that of its key."""

    place: Place
    entries: tuple[tuple[Scalar, "Node"], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A value that is wrong or missing, which has been reported."""

    place: Place


Node = Scalar | Sequence | Mapping | Broken


class UnreadableFileError(Exception):
    """The file cannot be read; the message continues a sentence that begins with the file's name."""


#: Not in the installed package.
_EXAMPLES = frozenset({"hotspare.example.yaml", "scenario.example.yaml"})


def _advice(path: Path, example: str) -> str:
    if path.name in _EXAMPLES:
        return "it comes with Hotspare's repository, and not with the package; name a file of your own"
    return f"copy {example} to it and edit it"


def read_text(path: Path, *, example: str = "hotspare.example.yaml") -> str:
    """The file's text; raises UnreadableFileError, which names the example to begin with."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableFileError(f"there is no such file; {_advice(path, example)}") from None
    except IsADirectoryError:
        raise UnreadableFileError("is a folder; expected a YAML file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is not a file name"
        raise UnreadableFileError(f"cannot be read ({reason})") from None
    if len(data) > LARGEST_BYTES:
        raise UnreadableFileError("is larger than 1 MiB; expected a configuration file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(f"is not UTF-8 (line {line}); save it as UTF-8") from None


def parse(text: str, report: Callable[[Place, str], object]) -> Node | None:
    """The tree of one YAML document as far as it can be read, None where it is empty; what is refused is reported."""
    return _Builder(_VARIABLE.sub("$\U0010fffc\\1\U0010fffd", text), report).document()


class _StopError(Exception):
    """Reading cannot go on; the reason has been reported."""


class _Builder:
    def __init__(self, text: str, report: Callable[[Place, str], object]) -> None:
        self._text, self._report = text, report
        self._values = 0

    def document(self) -> Node | None:
        """Read it all; PyYAML's exceptions become reports here."""
        loader: Any = None  # types-pyyaml leaves its methods untyped
        try:
            loader = yaml.SafeLoader(self._text)
            return self._document(loader)
        except _StopError:
            pass
        except yaml.reader.ReaderError as error:
            code = error.character if isinstance(error.character, int) else ord(error.character)
            self._report(self._place_at(error.position), f"the character U+{code:04X} is not allowed")
        except yaml.MarkedYAMLError as error:
            self._report(_place(error.problem_mark or error.context_mark), _sentence(error))
        except (yaml.YAMLError, ValueError, OverflowError):
            # PyYAML lets these through for escapes such as "\UFFFFFFFF".
            place = _place(loader and loader.get_mark())
            self._report(place, "not valid YAML: an escape or a number in it is out of range")
        return None

    def _document(self, loader: Any) -> Node | None:
        loader.get_event()
        if loader.check_event(yaml.StreamEndEvent):
            return None
        loader.get_event()
        root = self._node(loader, (), None)
        loader.get_event()
        if not loader.check_event(yaml.StreamEndEvent):
            self._report(_place(loader.peek_event().start_mark), "a second document begins here; expected only one")
        return root

    def _node(self, loader: Any, steps: tuple[str | int, ...], at: Place | None) -> Node:
        event = loader.get_event()
        place = at or _place(event.start_mark, steps)
        self._count(place)
        if isinstance(event, yaml.AliasEvent):
            self._report(place, "aliases (*name) are not supported; write the value out")
            return Broken(place=place)
        if event.tag is not None:
            self._report(place, "tags (!name) are not supported; write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(loader, event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(place=place, items=self._items(loader, steps))
        return Mapping(place=place, entries=self._entries(loader, steps))

    def _count(self, place: Place) -> None:
        self._values += 1
        text = f"nested more than {_DEEPEST} levels deep" if len(place.steps) > _DEEPEST else None
        text = f"more than {_MOST_VALUES:,} values" if self._values > _MOST_VALUES else text
        if text:
            self._report(Place(line=place.line, column=place.column), text)
            raise _StopError

    def _scalar(self, loader: Any, event: yaml.ScalarEvent, place: Place) -> Scalar | Broken:
        text = event.value.translate(_HIDDEN)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._report(place, "holds half of a surrogate pair (\\ud800 to \\udfff), which is not a character")
            return Broken(place=place)
        tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        return Scalar(place=place, text=text, kind=_KINDS.get(tag, ScalarKind.TEXT))

    def _items(self, loader: Any, steps: tuple[str | int, ...]) -> tuple[Node, ...]:
        items: list[Node] = []
        while not loader.check_event(yaml.SequenceEndEvent):
            items.append(self._node(loader, (*steps, len(items)), None))
        loader.get_event()
        return tuple(items)

    def _entries(self, loader: Any, steps: tuple[str | int, ...]) -> tuple[tuple[Scalar, Node], ...]:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not loader.check_event(yaml.MappingEndEvent):
            # One level deeper even where the key turns out to be a list, so that `? [? [? [` meets the depth cap.
            key = self._node(loader, (*steps, "?"), None)
            place = Place(
                line=key.place.line,
                column=key.place.column,
                steps=(*steps, key.text if isinstance(key, Scalar) else "?"),
            )
            value = self._node(loader, place.steps, place)
            if not isinstance(key, Scalar):
                if not isinstance(key, Broken):
                    at = Place(line=key.place.line, column=key.place.column, steps=steps)
                    self._report(at, "a key must be a single word, not a list or a mapping")
            elif key.text in entries:
                first = entries[key.text][0].place.line
                self._report(place, f"is here twice (first on line {first}); remove one")
            else:
                entries[key.text] = (Scalar(place=place, text=key.text, kind=key.kind), value)
        loader.get_event()
        return tuple(entries.values())

    def _place_at(self, position: int) -> Place:
        before = self._text[:position]
        return Place(line=before.count("\n") + 1, column=position - before.rfind("\n"))


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
    return f"not valid YAML: {problem}{_context(error)}"


def _context(error: yaml.MarkedYAMLError) -> str:
    begin, end = error.context_mark, error.problem_mark
    if not error.context or begin is None or end is None or begin.line == end.line:
        return ""
    return f" ({error.context} that begins on line {begin.line + 1})"
