"""The base of what is read from a mapping of a YAML file: dataclasses whose fields are its keys.

pydantic reads them and converts each value to the type that its field declares. Every mistake is reported, and reading
goes on with what is left. In Python they are made like any other dataclass, without any check.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from itertools import pairwise
from textwrap import dedent
from types import GenericAlias
from typing import Any, ClassVar, Final, Self, get_args, get_type_hints

from pydantic import (
    ConfigDict,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, PydanticUseDefault, core_schema

from monitor.config.document import Broken, Node, ScalarKind
from monitor.config.document import Mapping as YamlMapping
from monitor.config.reading import ReadContext
from monitor.config.values import Value

_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of a section; as metadata of a field, what the file or the documents have otherwise than the field."""

    name: str = ""
    """In the file; else the field's own, without the unit `_s`."""
    shown: Any = None
    """A default that the field does not hold."""
    default_text: str = ""
    """A default that is documented in words."""
    required: bool = False
    """Whether the key is reported where it is missing, though the section stands with the field's default."""
    # `Section.keys` fills in the rest.
    field: str = ""
    default: Any = ...
    """An ellipsis where there is none."""
    reader: Any = None
    """The Value, or what reads sections of people's own choice; None for a single section."""
    section: type["Section"] | None = None
    """What stands under the key, or under each name there."""

    @property
    def is_required(self) -> bool:
        """Whether the key must be in the file."""
        return self.required or self.default is ...

    @property
    def expected(self) -> str:
        """What to write, for messages."""
        if self.section and not self.reader:
            return f"a mapping of {', '.join(self.section.keys())}"
        return str(self.reader.expected)

    def is_left_out(self, node: Node) -> bool:
        """Whether a single section counts as left out."""
        if self.reader or not self.section:
            return False
        return node.is_nothing() or (self.section.empty_is_absent and isinstance(node, YamlMapping) and node.is_empty())

    @property
    def written_default(self) -> Any:
        """The default as it is written in the file; None where there is none, or where it depends on other keys."""
        held = None if self.default is ... or self.default_text else self.default
        default = held if self.shown is None else self.shown
        return self.reader.show(default) if isinstance(self.reader, Value) and default is not None else None


class Section:
    """The keys of one mapping: the fields that a `Value` or a section reads, each described by the text below it.

    A wrong value is reported and its field has its default; a section is missing where a required value is wrong.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar = ConfigDict(arbitrary_types_allowed=True)
    empty_is_absent: ClassVar[bool] = False
    """Whether a section with nothing in it counts as left out."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Report what is wrong, or doubtful, with several keys together."""

    @classmethod
    @cache
    def keys(cls) -> Mapping[str, Key]:
        """The keys by their names in the file."""
        hints, keys = get_type_hints(cls, include_extras=True), {}
        for field in fields(cls):  # type: ignore[arg-type] # every section is a dataclass
            hint = hints[field.name]
            metadata = getattr(hint, "__metadata__", ())
            about = next((item for item in metadata if isinstance(item, Key)), Key())
            reader = next((item for item in metadata if hasattr(item, "expected")), None)
            section = _section_in(getattr(reader, "kind", hint))
            made = field.default if field.default_factory is MISSING else field.default_factory()
            default = ... if made is MISSING else made
            if reader or section:
                name = about.name or field.name.removesuffix("_s")
                keys[name] = replace(about, field=field.name, default=default, reader=reader, section=section)
        return keys

    @classmethod
    @cache
    def adapter(cls) -> TypeAdapter[Self]:
        """Reads the section from a node, with a `ReadContext` as context."""
        return TypeAdapter(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: Any = handler(source)
        for field in schema["schema"]["fields"]:
            if field["schema"]["type"] == "default":
                inner = field["schema"]["schema"]
                field["schema"]["schema"] = core_schema.no_info_wrap_validator_function(_read_or_default, inner)
        # With the name of the dataclass, which is how pydantic finds what it has built of it when it is used again.
        return core_schema.with_info_wrap_validator_function(cls._read, schema, ref=schema.pop("ref"))

    @classmethod
    def _read(cls, node: Node, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
        keys, values, context = cls.keys(), node.values, info.context
        if not isinstance(node, YamlMapping) and not node.is_nothing():
            context.reject(node, "a mapping (key: value)")
        for name, value in values.items():
            if name not in keys and not isinstance(value, Broken):
                hint = context.problems.did_you_mean(name, tuple(keys)) or f"; known here: {', '.join(keys)}"
                context.report(value.place, f"unknown key{hint}")
        read: dict[str, Node] = {}
        for name, key in keys.items():
            if key.is_required:
                context.require(node, name, key.expected)
            if key.is_required or (name in values and not key.is_left_out(values[name])):
                read[key.field] = node.child(name)
        section = handler(read)
        section.check_keys(node, context)
        return section


def _read_or_default(node: Node, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(node)
    except ValidationError as error:
        if {each["type"] for each in error.errors()} - {"value_error", "missing"}:
            raise TypeError("a key is not read as what its field is declared as") from error
        raise PydanticUseDefault from None  # all that is wrong has been reported


@dataclass(frozen=True, kw_only=True)
class NamedSections:
    """Metadata of a mapping whose keys are names of people's own choice; without `optional` one must be there."""

    kind: type[Section]
    what: str
    name_expected: str
    pattern: str
    build: Callable[[dict[str, Any], ValidationInfo[Any]], Any] | None = None
    """What becomes of the sections by their names; None: they stay as they are."""
    optional: bool = False

    @property
    def expected(self) -> str:
        """What to write, for messages."""
        return f"a mapping of {self.what}s" if self.optional else f"at least one {self.what}"

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of what may be written."""
        names = {"minProperties": int(not self.optional), "propertyNames": {"pattern": f"^{self.pattern}$"}}
        return {"type": "object", "additionalProperties": reference_to(self.kind), **names}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_wrap_validator_function(
            self._read, handler.generate_schema(GenericAlias(dict, (str, self.kind)))
        )

    def _read(self, node: Node, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
        if not node.values and not (self.optional and node.is_empty()):
            info.context.reject(node, f"{self.expected} (name: …)")
        for name, _ in node.entries if isinstance(node, YamlMapping) else ():
            if name.kind is not ScalarKind.TEXT:
                info.context.report(name.place, f"YAML takes this name for {name.kind}; put it in quotes")
            elif not re.fullmatch(self.pattern, name.text) or not name.text.isprintable():
                info.context.report(name.place, f"cannot name a {self.what}; expected {self.name_expected}")
        sections = handler(node.values)
        return self.build(sections, info) if self.build else sections


def _section_in(hint: Any) -> type[Section] | None:
    """The section that a type consists of, or holds."""
    if isinstance(hint, type) and issubclass(hint, Section):
        return hint
    return next(filter(None, map(_section_in, get_args(hint))), None)


def descriptions_of(kind: type[Section]) -> dict[str, str]:
    """The text below each field, by the field's name."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__[: kind.__mro__.index(Section)]):
        [definition] = ast.parse(dedent(inspect.getsource(base))).body
        for field, text in pairwise(getattr(definition, "body", ())):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(described))):
                    texts[name] = " ".join(described.split())
    return texts


def json_schema(root: type[Section], title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a file, for editors."""
    kinds = sorted(set(_sections_under(root)), key=lambda kind: kind.__name__)
    definitions = {kind.__name__: _object(kind) | {"type": ["object", "null"]} for kind in kinds}
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "$defs": definitions, **_object(root), "type": "object", "title": title}


def _sections_under(kind: type[Section]) -> Iterator[type[Section]]:
    for key in kind.keys().values():
        if key.section:
            yield key.section
            yield from _sections_under(key.section)


def reference_to(kind: type[Section]) -> dict[str, Any]:
    """Where the JSON Schema of a section stands."""
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _sorted(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _sorted(item) for name, item in sorted(schema.items())}
    return list(map(_sorted, schema)) if isinstance(schema, list) else schema


def _object(kind: type[Section]) -> dict[str, Any]:
    texts, properties = descriptions_of(kind), {}
    for name, key in kind.keys().items():
        schema = dict(key.reader.schema if key.reader else reference_to(key.section or kind))
        if key.field in texts:
            schema["description"] = _LINK.sub(r"\1", texts[key.field])
        if key.written_default is not None:
            schema["default"] = key.written_default
        properties[name] = _sorted(schema)
    required: dict[str, Any] = {"required": [name for name, key in kind.keys().items() if key.is_required]}
    if kind.empty_is_absent and required["required"]:
        required = {"if": {"minProperties": 1}, "then": required}
    text = {"description": inspect.cleandoc(kind.__doc__ or "")}
    return {"additionalProperties": False, **text, "properties": properties, **required, "type": "object"}
