"""Reads typed values out of one section of the configuration, and says what is wrong with those it cannot read."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from monitor.config.config_values import Reader, Text, is_empty, is_nothing
from monitor.config.document import Broken, Kind, Node, Place, Scalar, Sequence
from monitor.config.document import Mapping as YamlMapping
from monitor.config.problems import Problems
from monitor.config.units import DURATION, NUMBER, RATE, SHARE, parse_duration, parse_number, parse_rate, parse_share
from monitor.formatting import format_duration

_NOT_READ = "not-read"
_HEADER_VALUE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The keys of one mapping. Every method that reads a value reports what is wrong with it and goes on."""

    place: Place
    pattern: str
    """The section's name in the reader's `known`: `providers.*`."""
    entries: Mapping[str, Node]
    reader: Reader
    readable: bool = True
    """False where something else than a mapping stands; that has been reported, and nothing is missing from it."""

    @property
    def findings(self) -> Problems:
        """Where to put what is wrong."""
        return self.reader.findings

    def has(self, key: str) -> bool:
        """Whether the key is there, be its value good or bad."""
        return key in self.entries

    def is_empty(self, key: str) -> bool:
        """Whether the key is there with nothing in it."""
        return key in self.entries and is_empty(self.entries[key])

    def at(self, key: str) -> Place:
        """The key's place, or the section's when the key is not there."""
        node = self.entries.get(key)
        return node.place if node else self.place

    def child(self, key: str) -> str:
        """The pattern of a section under a key."""
        return f"{self.pattern}.{key}" if self.pattern else key

    def section(self, key: str) -> "Section":
        """The section under a key; an empty one when the key is not there."""
        within = Place(line=self.place.line, column=self.place.column, steps=(*self.place.steps, key))
        place = self.at(key) if self.has(key) else within
        return open_section(self.reader, self.entries.get(key), place, self.child(key))

    def named(self, key: str, what: str) -> Iterator[tuple[Scalar, "Section"]]:
        """The sections under a key that bear names of people's own choice; at least one must be there."""
        node = self.entries.get(key)
        if node is None:
            self.missing(key, f"at least one {what}")
        elif not isinstance(node, YamlMapping) or not node.entries:
            self.reader.wrong(node, f"at least one {what} (name: …)")
        else:
            for name, value in node.entries:
                yield name, open_section(self.reader, value, name.place, f"{self.child(key)}.*")

    def missing(self, key: str, expected: str) -> None:
        """Report that a required key is not there."""
        if self.readable:
            self.findings.problem(self.place, f"{key} is missing; expected {expected}")

    def required(self, key: str, expected: str) -> Text | None:
        """A text that must be there."""
        if key not in self.entries:
            self.missing(key, expected)
        return self.text(key, expected)

    def text(self, key: str, expected: str) -> Text | None:
        """A text, or None when it is not there or is wrong."""
        node = self.entries.get(key)
        return None if node is None else self.reader.text(node, expected)

    def secret(self, key: str, expected: str) -> Text | None:
        """A required text that can be sent in a header; where keys are not needed, whatever stands there will do."""
        node = self.entries.get(key)
        if not self.reader.keys and isinstance(node, Scalar):
            return Text(place=node.place, value=_NOT_READ, written=node.text)
        text = self.required(key, expected)
        if text is None or _HEADER_VALUE.fullmatch(text.value):
            return text
        whose = f"the value of {text.variable}" if text.variable else "its value"
        problem = f"{whose} cannot be sent in a header: it holds a space, a line break or a non-ASCII character"
        self.findings.problem(text.place, problem)
        return None

    def flag(self, key: str, fallback: bool) -> bool:
        """`true` or `false`, in these spellings only."""
        node = self.entries.get(key)
        expected = "true or false (without quotes)"
        text = None if node is None else self.reader.scalar(node, expected)
        if text is None or node is None:
            return fallback
        typed = text.expanded or (isinstance(node, Scalar) and node.kind is Kind.FLAG)
        if not typed or text.value not in {"true", "false"}:
            self.findings.problem(text.place, f"expected {expected}, found {self.findings.shown(text.written)}")
            return fallback
        return text.value == "true"

    def duration(self, key: str, fallback: float, at_least_s: float = 0.0, zero: bool = False) -> float:
        """Seconds; more than zero unless `zero` is allowed."""
        seconds = self.parsed(key, DURATION, parse_duration)
        if seconds is None or not self._fits(key, seconds, at_least_s, zero):
            return fallback
        return seconds

    def durations(self, key: str, fallback: tuple[float, float]) -> tuple[float, float]:
        """A shortest and a longest duration, `[3s, 8s]`."""
        node = self.entries.get(key)
        if node is None:
            return fallback
        expected = f"two durations such as [{format_duration(fallback[0])}, {format_duration(fallback[1])}]"
        if not isinstance(node, Sequence) or len(node.items) != 2:
            self.reader.wrong(node, expected)
            return fallback
        shortest, longest = (self._parse(item, DURATION, parse_duration) for item in node.items)
        if shortest is None or longest is None:
            return fallback
        if not 0 < shortest <= longest:
            self.findings.problem(node.place, f"expected {expected}, the shorter one first and more than zero")
            return fallback
        return shortest, longest

    def share(self, key: str) -> float | None:
        """A fraction from `30%`; the caller judges its size."""
        return self.parsed(key, SHARE, parse_share)

    def shares(self, key: str, expected: str) -> tuple[float, ...] | None:
        """A list of fractions; None when it is not there or not every item is one."""
        node = self.entries.get(key)
        if node is None:
            return None
        if not isinstance(node, Sequence):
            self.reader.wrong(node, expected)
            return None
        shares = [self._parse(item, SHARE, parse_share) for item in node.items]
        good = tuple(share for share in shares if share is not None)
        return good if len(good) == len(shares) else None

    def rate(self, key: str) -> float | None:
        """Events per day from `1 per 90d`; the caller judges its size."""
        return self.parsed(key, RATE, parse_rate)

    def number(self, key: str) -> float | None:
        """A plain number; the caller judges its size."""
        return self.parsed(key, NUMBER, parse_number)

    def url(self, key: str) -> Text | None:
        """An http or https address with a host and without user name, query or fragment."""
        text = self.text(key, "an http(s) address")
        return text if text and self.is_url(text) else None

    def is_url(self, text: Text, userinfo: bool = False) -> bool:
        """Whether it is an address, reporting why not; an address may hold a secret and is never shown."""
        problem = _url_problem(text.value, userinfo)
        if problem:
            self.findings.problem(text.place, problem)
        return not problem

    def words(self, key: str, expected: str, item: str) -> tuple[Text, ...] | None:
        """A list of texts without those that are wrong; None when the key is not there or is no list."""
        node = self.entries.get(key)
        if node is None:
            return None
        if not isinstance(node, Sequence):
            self.reader.wrong(node, expected)
            return None
        texts = (self.reader.text(entry, item) for entry in node.items)
        return tuple(text for text in texts if text is not None)

    def choices(self, key: str, known: tuple[str, ...], what: str) -> tuple[str, ...] | None:
        """A list of known words, not empty and without repetition; None when it is not there or has nothing good."""
        texts = self.words(key, f"a list such as [{known[0]}]", what)
        if texts is None:
            return None
        if self.is_empty(key):
            self.findings.problem(self.at(key), f"is empty; expected one or more of {', '.join(known)}")
        good: list[str] = []
        for text in texts:
            if text.value not in known:
                hint = self.findings.did_you_mean(text.value, known) or f"; known: {', '.join(known)}"
                self.refuse(text, f"is not {what}{hint}")
            elif text.value in good:
                self.refuse(text, "is here twice")
            else:
                good.append(text.value)
        return tuple(good) or None

    def refuse(self, text: Text, why: str) -> None:
        """Report a value with a phrase that goes on from it; what a variable held is not shown."""
        self.findings.problem(text.place, f"{self.findings.shown(text.written)} {why}")

    def parsed(self, key: str, expected: str, parse: Callable[[str], float]) -> float | None:
        """A value of a kind of its own; `parse` raises ValueError with a phrase that goes on from the text."""
        node = self.entries.get(key)
        return None if node is None else self._parse(node, expected, parse)

    def _parse(self, node: Node, expected: str, parse: Callable[[str], float]) -> float | None:
        text = self.reader.scalar(node, expected)
        if text is None:
            return None
        try:
            return parse(text.value)
        except ValueError as error:
            # The parser's own words repeat the value, which a variable may have made a secret.
            self.refuse(text, f"does not hold {expected}" if text.expanded else str(error))
            return None

    def _fits(self, key: str, seconds: float, at_least_s: float, zero: bool) -> bool:
        shown = format_duration(seconds)
        if seconds < 0 or (seconds == 0 and not zero):
            self.findings.problem(self.at(key), f"{shown} is not {'zero or more' if zero else 'more than zero'}")
        elif seconds < at_least_s:
            least = format_duration(at_least_s)
            self.findings.problem(self.at(key), f"{shown} is too short; the shortest is {least}")
        else:
            return True
        return False


def open_section(reader: Reader, node: Node | None, place: Place, pattern: str) -> Section:
    """The section at this node, its unknown keys reported; an empty one when there is none.

    `pattern` is its name in the reader's `known`.
    """
    entries = {key.text: value for key, value in node.entries} if isinstance(node, YamlMapping) else {}
    readable = node is None or isinstance(node, YamlMapping) or is_nothing(node)
    if node is not None and not readable:
        reader.wrong(node, "a mapping (key: value)")
    section = Section(place=place, pattern=pattern, entries=entries, reader=reader, readable=readable)
    for name, value in entries.items():
        if name not in reader.known[pattern] and not isinstance(value, Broken):
            section.findings.problem(value.place, _unknown(section, name))
    return section


def _unknown(section: Section, name: str) -> str:
    known = section.reader.known[section.pattern]
    hint = section.findings.did_you_mean(name, known) or f"; known here: {', '.join(known)}"
    return f"unknown key{hint}"


def _url_problem(value: str, userinfo: bool) -> str | None:
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        return "is not an address; write it like https://host/path"
    if any(character.isspace() or not character.isprintable() for character in value):
        return "holds a space or a control character; write an address like https://host/path"
    if url.scheme not in {"http", "https"} or not host:
        return "is not an http(s) address with a host; write it like https://host/path"
    if "@" in url.netloc and not userinfo:
        return "holds a user name or a password; keys go into headers only"
    if "?" in value or "#" in value:
        return "holds a query or a fragment; write the address without them"
    return None
