"""Writes the tables of configuration and scenario keys in the documents from their schemas: `make reference`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from controller.simulation.scenario_schema import ScenarioDocument
from monitor.config.schema import Configuration, ModelSection, ProbingSection
from monitor.config.section_base import NamedEntries, Section, default_of, extra_of, is_required, section_of

DOCS = Path(__file__).parents[1]
_MARKED = re.compile(r"(?s)(<!-- keys: (.*?) -->\n).*?(<!-- end of keys -->)")
_CHANGE_WHEN = " Change it when "
_FILES = "files"


@dataclass(frozen=True, kw_only=True)
class Key:
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


def keys_of(section: type[Section], prefix: str = "") -> Iterator[Key]:
    """Every key in the order of the schema."""
    for name, field in section.keys().items():
        path = f"{prefix}.{name}".lstrip(".")
        inner = _inner(field)
        if section is ModelSection and name in ProbingSection.model_fields:
            yield from _inherited(path, name)
            continue
        named = next((item for item in field.metadata if isinstance(item, NamedEntries)), None)
        if inner is None or field.description:
            yield _key(path, field)
        elif named is None:
            default = "none" if field.default is None else ""
            yield Key(path=path, default=default, meaning=_first_sentence(inner.__doc__), is_value=False)
        if inner:
            yield from keys_of(inner, f"{path}.{'MODEL' if name == 'models' else 'NAME'}" if named else path)


def _inherited(path: str, name: str) -> Iterator[Key]:
    """What a model inherits from `defaults`."""
    for key in keys_of(ProbingSection):
        if key.is_value and key.path.partition(".")[0] == name:
            rest = path + key.path[len(name) :]
            yield Key(path=rest, default="from `defaults`", meaning="the same for this model", inherited=True)


def write(document: str) -> str:
    """The document with its tables written anew."""
    return _MARKED.sub(lambda match: match[1] + _table(match[2]) + match[3], document)


def _key(path: str, field: FieldInfo) -> Key:
    meaning, _, change_when = " ".join((field.description or "").split()).partition(_CHANGE_WHEN)
    return Key(path=path, default=_default(field), meaning=meaning.rstrip("."), change_when=change_when.rstrip("."))


def _default(field: FieldInfo) -> str:
    default, text = default_of(field), extra_of(field, "default_text")
    if text or is_required(field):
        return str(text or "required")
    return "none" if default is None else f"`{_written(default)}`"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _inner(field: FieldInfo) -> type[Section] | None:
    """The section under a key, or that of each of its items."""
    kinds = (section_of(field), *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def _first_sentence(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].rstrip(".")


def _table(name: str) -> str:
    if name == "scenario":
        rows = [f"|`{key.path}`|{key.default}|{key.meaning}|\n" for key in keys_of(ScenarioDocument)]
        return "|key|default|meaning|\n|---|---|---|\n" + "".join(rows)
    keys = [key for key in keys_of(Configuration) if key.is_value and _table_of(key) == name]
    inherited = [key for key in keys if key.inherited]
    if inherited:
        prefix = inherited[0].path.removesuffix("interval")
        names = "`, `".join(key.path.removeprefix(prefix) for key in inherited)
        first = keys.index(inherited[0])
        keys[first : first + len(inherited)] = [replace(inherited[0], path=f"{prefix}`…: `{names}")]
    rows = [f"|`{key.path}`|{key.default}|{key.meaning}|{key.change_when}|\n" for key in keys]
    head = "|key|default|what it does|change it when|\n|---|---|---|---|\n"
    return head + "".join(rows)


def _table_of(key: Key) -> str:
    top, _, rest = key.path.partition(".")
    return top if rest else _FILES


def main() -> None:
    """Rewrite the documents."""
    for name in ("configuration.md", "simulation.md"):
        path = DOCS / name
        path.write_text(write(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
