"""Writes the tables of configuration and scenario keys in the documents from their schemas: `make reference`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from controller.simulation.scenario_file import ScenarioDocument
from monitor.config.provider_sections import ModelSection, ProbingSection
from monitor.config.section import Key, Section, descriptions_of
from monitor.config.settings import Settings

DOCS = Path(__file__).parents[1]
_MARKED = re.compile(r"(?s)(<!-- keys: (.*?) -->\n).*?(<!-- end of keys -->)")
_CHANGE_WHEN = " Change it when "
_FILES = "files"
_SHORT = 40
"""Characters of a meaning that is said again rather than referred to."""


@dataclass(frozen=True, kw_only=True)
class DocumentedKey:
    """One key as the documents show it."""

    path: str
    """`providers.NAME.dialect`."""
    default: str
    meaning: str
    change_when: str = ""
    is_value: bool = True
    """False for a section."""
    inherited: bool = False
    """Whether it overrides a key of `defaults`."""


def keys_of(section: type[Section], prefix: str = "") -> Iterator[DocumentedKey]:
    """Every key in the order of the schema."""
    descriptions = descriptions_of(section)
    inherited = ProbingSection.keys() if section is ModelSection else {}
    for name, key in section.keys().items():
        path = f"{prefix}.{name}".lstrip(".")
        if name in inherited:
            yield from _inherited(path, name)
            continue
        named, description = hasattr(key.reader, "kind"), descriptions.get(key.field, "")
        if key.section is None or description:
            yield _key(path, key, description)
        elif not named:
            default = "none" if key.default is None else ""
            yield DocumentedKey(
                path=path, default=default, meaning=_first_sentence(key.section.__doc__), is_value=False
            )
        if key.section:
            yield from keys_of(key.section, f"{path}.{'MODEL' if name == 'models' else 'NAME'}" if named else path)


def _inherited(path: str, name: str) -> Iterator[DocumentedKey]:
    """What a model inherits from `defaults`."""
    for key in keys_of(ProbingSection):
        if key.is_value and key.path.partition(".")[0] == name and "NAME" not in key.path:
            rest = path + key.path[len(name) :]
            yield DocumentedKey(path=rest, default="from `defaults`", meaning="the same for this model", inherited=True)


def write(document: str) -> str:
    """The document with its tables written anew."""
    return _MARKED.sub(lambda match: match[1] + _table(match[2]) + match[3], document)


def _key(path: str, key: Key, description: str) -> DocumentedKey:
    meaning, _, change_when = description.partition(_CHANGE_WHEN)
    return DocumentedKey(
        path=path, default=_default(key), meaning=meaning.rstrip("."), change_when=change_when.rstrip(".")
    )


def _default(key: Key) -> str:
    if key.default_text or key.is_required:
        return key.default_text or "required"
    return "none" if key.written_default is None else f"`{_written(key.written_default)}`"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _first_sentence(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].rstrip(".")


def _table(name: str) -> str:
    if name == "scenario":
        rows = [f"|`{key.path}`|{key.default}|{key.meaning}|\n" for key in keys_of(ScenarioDocument)]
        return "|key|default|meaning|\n|---|---|---|\n" + "".join(rows)
    keys = [key for key in _said_once(keys_of(Settings)) if key.is_value and _table_of(key) == name]
    inherited = [key for key in keys if key.inherited]
    if inherited:
        prefix = inherited[0].path.removesuffix("interval")
        names = "`, `".join(key.path.removeprefix(prefix) for key in inherited)
        first = keys.index(inherited[0])
        keys[first : first + len(inherited)] = [replace(inherited[0], path=f"{prefix}`…: `{names}")]
    rows = [f"|`{key.path}`|{key.default}|{key.meaning}|{key.change_when}|\n" for key in keys]
    head = "|key|default|what it does|change it when|\n|---|---|---|---|\n"
    return head + "".join(rows)


def _said_once(keys: Iterable[DocumentedKey]) -> Iterator[DocumentedKey]:
    """The keys; one that means what an earlier one of the same name means refers to that."""
    earlier: dict[DocumentedKey, str] = {}
    for key in keys:
        of_its_name = replace(key, path=key.path.rpartition(".")[2])
        first = earlier.setdefault(of_its_name, key.path)
        is_short = key.inherited or len(key.meaning) < _SHORT
        yield key if first == key.path or is_short else replace(key, meaning=f"as `{first}`", change_when="")


def _table_of(key: DocumentedKey) -> str:
    top, _, rest = key.path.partition(".")
    return top if rest else _FILES


def main() -> None:
    """Rewrite the documents."""
    for name in ("configuration.md", "simulation.md"):
        path = DOCS / name
        path.write_text(write(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
