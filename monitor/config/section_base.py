"""The base of all sections of a YAML file: pydantic models that report every mistake and go on with what is left."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticOmit, core_schema

from monitor.config.document import Broken, Node, Place, ScalarKind, Sequence
from monitor.config.document import Mapping as YamlMapping
from monitor.config.reading import ReadContext, entries_of, is_empty, is_nothing
from monitor.config.values import Value

_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_NOT_IN_JSON_SCHEMA: Final = frozenset({"title", "default", "shown", "default_text", "required"})


def key(
    default: Any = ..., *, alias: str | None = None, shown: Any = None, default_text: str = "", required: bool = False
) -> Any:
    """One key of a section, described by the text below it; required where it has no default.

    A default that the schema does not hold is documented as a value (`shown`) or in words (`default_text`). A
    `required` key with a default is reported where it is missing, and the section stands with the default.
    """
    extra = {"shown": shown, "default_text": default_text, "required": required}
    return Field(default, alias=alias, json_schema_extra=extra)


class Section(BaseModel):
    """The keys of one mapping, read from a node of the document with a `ReadContext` as context.

    A wrong value is reported and its key has its default; a section is missing where a required value is wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, use_attribute_docstrings=True)
    empty_is_absent: ClassVar[bool] = False
    """Whether an optional section with nothing in it counts as left out."""
    _node: Node = PrivateAttr()

    @property
    def place(self) -> Place:
        """Where the section stands, or would stand."""
        return self._node.place

    @property
    def nodes(self) -> dict[str, Node]:
        """What the file has under the section's keys, good or bad."""
        return {name.text: value for name, value in entries_of(self._node)}

    def has(self, name: str) -> bool:
        """Whether the key is in the file, be its value good or bad."""
        return name in self.nodes

    def is_empty(self, name: str) -> bool:
        """Whether the key is in the file with nothing in it."""
        return self.has(name) and is_empty(self.nodes[name])

    def at(self, name: str) -> Place:
        """The key's place, or the section's where the key is not in the file."""
        return self.nodes.get(name, self._node).place

    def require(self, name: str, expected: str, context: ReadContext) -> None:
        """Report a key that is missing; not where something else than a mapping stands, which has been reported."""
        if not self.has(name) and _is_readable(self._node):
            context.report(self.place, f"{name} is missing; expected {expected}")

    def read_from(self, node: Node) -> Self:
        """Remember where the section and its keys stand."""
        self._node = node
        return self

    @classmethod
    def keys(cls) -> dict[str, FieldInfo]:
        """The fields by their names in the file."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, node: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo[Any]) -> Self:
        known, values = cls.keys(), {name.text: value for name, value in entries_of(node)}
        if not _is_readable(node):
            info.context.reject(node, "a mapping (key: value)")
        for name in [name for name in values if name not in known]:
            _report_unknown(name, values.pop(name), known, info.context)
        for name in [name for name in known if name not in values]:
            place = Place(line=node.place.line, column=node.place.column, steps=(*node.place.steps, name))
            if is_section(known[name]):
                values[name] = YamlMapping(place=place, entries=())
            elif is_required(known[name]):
                values[name] = Broken(place=place)
                if _is_readable(node):
                    info.context.report(node.place, f"{name} is missing; expected {_expected(known[name])}")
        return handler(values).read_from(node)

    @field_validator("*", mode="wrap")
    @classmethod
    def _read_or_default(cls, node: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
        field = cls.model_fields[info.field_name or ""]
        section = section_of(field)
        if section and section is not field.annotation and _is_absent(node, section):
            return None
        try:
            return handler(node)
        except ValidationError:
            if field.is_required():
                raise
            return field.default

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        reference = handler(core)
        schema = handler.resolve_ref_schema(reference)
        for name, field in cls.keys().items():
            schema["properties"][name] = _property(field, schema["properties"][name])
        required = [name for name, field in cls.keys().items() if is_required(field)]
        schema |= {"type": ["object", "null"], "required": required}
        schema.pop("title", None)
        return reference


@dataclass(frozen=True)
class NamedEntries:
    """Metadata of a mapping whose keys are names of people's own choice; at least one must be there."""

    what: str
    name_expected: str
    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self._entries, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "minProperties": 1, "propertyNames": {"pattern": f"^{self.pattern}$"}}

    @property
    def expected(self) -> str:
        """What to write, for messages."""
        return f"at least one {self.what}"

    def _entries(self, node: Node, info: ValidationInfo[Any]) -> dict[str, Node]:
        if not entries_of(node):
            info.context.reject(node, f"{self.expected} (name: …)")
        for name, _ in entries_of(node):
            if name.kind is not ScalarKind.TEXT:
                info.context.report(name.place, f"YAML takes this name for {name.kind}; put it in quotes")
            elif not re.fullmatch(self.pattern, name.text) or not name.text.isprintable():
                text = f"cannot name a {self.what}; expected {self.name_expected}"
                info.context.report(name.place, text)
        return {name.text: value for name, value in entries_of(node)}


@dataclass(frozen=True)
class ListItems:
    """Metadata of a list: what is wrong is reported and left out, or with `whole` the list is not used at all."""

    expected: str
    check: Callable[[list[Any]], str | None] = lambda _: None
    """What is wrong with the list as a whole."""
    whole: bool = False
    least: bool = False
    """Whether an empty list is reported."""
    length: int | None = None
    """For editors; None: any."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if not self.whole and schema["type"] == "list":
            item = core_schema.no_info_wrap_validator_function(_omit_wrong, schema["items_schema"])
            schema = core_schema.list_schema(item)
        return core_schema.with_info_wrap_validator_function(self._read, schema)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        bounds = {"minItems": self.length, "maxItems": self.length} if self.length else {}
        return {**handler(core), **bounds}

    def _read(self, node: Node, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
        if not isinstance(node, Sequence) or (self.least and not node.items):
            error = info.context.reject(node, self.expected)
            if self.whole:
                raise error
            return []
        items = handler(list(node.items))
        if problem := self.check(items):
            raise info.context.report(node.place, problem)
        return items


def json_schema(root: type[Section], title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a file, for editors."""
    schema = root.model_json_schema() | {"type": "object", "title": title}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def section_of(field: FieldInfo) -> type[Section] | None:
    """The class of the section under a key; None for a single value, a list, or named sections."""
    kinds = (field.annotation, *(() if get_origin(field.annotation) in {dict, list} else get_args(field.annotation)))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def is_section(field: FieldInfo) -> bool:
    """Whether there is always a section under the key, an empty one where the file has none."""
    return section_of(field) is field.annotation


def is_required(field: FieldInfo) -> bool:
    """Whether the key must be in the file."""
    return bool(extra_of(field, "required")) or (field.is_required() and not is_section(field))


def default_of(field: FieldInfo) -> Any:
    """The default as it is written in the file; None where there is none, or where it depends on other keys."""
    shown = extra_of(field, "shown")
    default = (
        field.default if shown is None and not field.is_required() and not extra_of(field, "default_text") else shown
    )
    if isinstance(default, list):
        return [_written(get_args(field.annotation)[0].__metadata__, item) for item in default]
    return None if default is None else _written(field.metadata, default)


def _written(metadata: Iterable[Any], default: Any) -> Any:
    """The default as these metadata of a field write it."""
    return next((item.show(default) for item in metadata if isinstance(item, Value)), default)


def extra_of(field: FieldInfo, name: str) -> Any:
    """What `key` was given under this name."""
    return field.json_schema_extra.get(name) if isinstance(field.json_schema_extra, dict) else None


def _property(field: FieldInfo, schema: JsonSchemaValue) -> JsonSchemaValue:
    """The JSON Schema of a key, with the default as it is written."""
    reference = next((option for option in schema.get("anyOf", ()) if "$ref" in option), None)
    described = reference or {name: item for name, item in schema.items() if name not in _NOT_IN_JSON_SCHEMA}
    if field.description:
        described["description"] = _LINK.sub(r"\1", " ".join(field.description.split()))
    default = default_of(field)
    return described if default is None else described | {"default": default}


def _report_unknown(name: str, node: Node, known: Iterable[str], context: ReadContext) -> None:
    if not isinstance(node, Broken):
        hint = context.problems.did_you_mean(name, tuple(known)) or f"; known here: {', '.join(known)}"
        context.report(node.place, f"unknown key{hint}")


def _is_readable(node: Node) -> bool:
    return isinstance(node, YamlMapping) or is_nothing(node)


def _is_absent(node: Node, section: type[Section]) -> bool:
    """Whether an optional section counts as left out."""
    return is_nothing(node) or (section.empty_is_absent and isinstance(node, YamlMapping) and not node.entries)


def _expected(field: FieldInfo) -> str:
    return next(item.expected for item in field.metadata if isinstance(item, Value | NamedEntries | ListItems))


def _omit_wrong(node: Node, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(node)
    except ValidationError:
        raise PydanticOmit from None
