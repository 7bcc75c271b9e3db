"""Problems and warnings about a configuration file, in the order of the file and with secrets masked."""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from monitor.config.document import Place

#: More are only counted: looking for similar words gets slow.
_MOST_PROBLEMS = 100
_MOST_KNOWN = 2000
_LONGEST_SHOWN = 60
_LONGEST_READ = 2000

_KEYLIKE = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|pk|rk|gsk|xai|r8|hf|ghp|pplx|nvapi|xapp|xox[a-z])[-_][-_A-Za-z0-9]{8,}"
    r"|(?<![A-Za-z0-9])(?:AIza|AKIA|eyJ)[-_A-Za-z0-9]{12,}"
    r"|(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{24,}"
)
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
_SHORTEST_SECRET = 8


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds all that is wrong with it, in the order of the file."""

    def __init__(
        self,
        problems: tuple[str, ...],
        *,
        unset: Collection[str] = (),
        files: Collection[str] = (),
        revision: str = "",
        database: str | None = None,
    ) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.unset = frozenset(unset)
        """The environment variables that are missing."""
        self.files = frozenset(files)
        """The files whose values it wants."""
        self.revision = revision
        """Of the file, as `Settings.revision`; empty where it could not be read."""
        self.database = database
        """As far as it could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Collects problems and warnings in any order and gives them back in the order of the file."""

    file: str
    secrets: set[str] = field(default_factory=set)
    """Masked in every message; those under eight characters look like ordinary words and are not."""
    _problems: list[tuple[Place | None, str]] = field(default_factory=list)
    _warnings: list[tuple[Place | None, str]] = field(default_factory=list)

    def problem(self, place: Place | None, text: str) -> None:
        """Add a mistake; without a place it concerns the whole file."""
        self._problems.append((place, text))

    def warn(self, place: Place, text: str) -> None:
        """Add a warning about something that is accepted."""
        self._warnings.append((place, text))

    def keep_secret(self, value: str) -> None:
        """Mask this value from now on."""
        if len(value) >= _SHORTEST_SECRET:
            self.secrets.add(value)

    @property
    def problems(self) -> tuple[str, ...]:
        """`file:line path: text`, by line; beyond a hundred, only their number."""
        lines = self._lines(self._problems)
        more = len(self._problems) - _MOST_PROBLEMS
        return lines if more <= 0 else (*lines, f"{self.file}: and {more} more")

    @property
    def warnings(self) -> tuple[str, ...]:
        """`file:line path: text`, by line."""
        return self._lines(self._warnings)

    def shown(self, text: str) -> str:
        """The text in quotes, shortened, with control characters escaped and secrets masked."""
        return repr(self._short(text))

    def did_you_mean(self, name: str, known: Collection[str]) -> str:
        """`; did you mean 'interval'?`, or an empty text when no known word is similar."""
        if len(name) > _LONGEST_SHOWN or len(self._problems) > _MOST_PROBLEMS or len(known) > _MOST_KNOWN:
            return ""
        near = difflib.get_close_matches(name, known, n=1)
        return f"; did you mean {self.shown(near[0])}?" if near else ""

    def path(self, place: Place) -> str:
        """`routes.chat.candidates[2]`."""
        path = ""
        for step in place.steps:
            if isinstance(step, int):
                path += f"[{step}]"
            else:
                name = self._short(step)
                path += ("." if path else "") + (name if name.isprintable() and name.strip() else repr(name))
        return path

    def _lines(self, reports: list[tuple[Place | None, str]]) -> tuple[str, ...]:
        ordered = sorted(reports, key=lambda item: (item[0].line, item[0].column) if item[0] else (0, 0))
        return tuple(f"{self._at(place)}: {text}" for place, text in ordered[:_MOST_PROBLEMS])

    def _at(self, place: Place | None) -> str:
        if place is None:
            return self.file
        return f"{self.file}:{place.line}" + (f" {self.path(place)}" if place.steps else "")

    def _short(self, text: str) -> str:
        text = text[:_LONGEST_READ]
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        text = _PASSWORD.sub("***@", _KEYLIKE.sub("***", text))
        return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
