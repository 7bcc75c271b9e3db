"""The base of all sections of a YAML file: pydantic models that report every mistake and go on with what is left."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, cast, get_args, get_origin

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

from monitor.config.document import Broken, Kind, Node, Place, Scalar, Sequence
from monitor.config.document import Mapping as YamlMapping
from monitor.config.reading import ReadContext, is_empty, is_nothing
from monitor.config.values import Value

_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]+\)")


#: What pydantic says of a field that is said otherwise, or not at all.
_OURS: Final = frozenset({"title", "default", "shown", "required"})


def key(
    default: Any = ...,
    *,
    alias: str | None = None,
    shown: Any = None,
    required: bool = False,
    description: str | None = None,
) -> Any:
    """One key of a section, described by the text below it; required where it has no default.

    `shown` documents a default that the schema does not hold: a value, or words in parentheses. `required` keys with a
    default are reported where they are missing, and the section stands with the default.
    """
    extra = {"shown": shown, "required": required}
    return Field(default, alias=alias, description=description, json_schema_extra=extra)


class Section(BaseModel):
    """The keys of one mapping, read from a node of the document with a `ReadContext` as context.

    A wrong value is reported and its key has its default; a section is missing where a required value is wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, use_attribute_docstrings=True)
    empty_is_absent: ClassVar[bool] = False
    """Whether an optional section with nothing in it counts as left out."""
    _place: Place = PrivateAttr()
    _nodes: Mapping[str, Node] = PrivateAttr(default_factory=dict)
    _readable: bool = PrivateAttr(default=True)

    @property
    def place(self) -> Place:
        """Where the section stands, or would stand."""
        return self._place

    def has(self, name: str) -> bool:
        """Whether the key is in the file, be its value good or bad."""
        return name in self._nodes

    def is_empty(self, name: str) -> bool:
        """Whether the key is in the file with nothing in it."""
        return name in self._nodes and is_empty(self._nodes[name])

    def at(self, name: str) -> Place:
        """The key's place, or the section's where the key is not in the file."""
        node = self._nodes.get(name)
        return node.place if node else self._place

    def report_missing(self, name: str, expected: str, context: ReadContext) -> None:
        """Report a key that must be there; not where something else than a mapping stands, which has been reported."""
        if self._readable:
            context.report(self._place, f"{name} is missing; expected {expected}")

    def placed(self, place: Place, nodes: Mapping[str, Node], *, readable: bool) -> Self:
        """Remember where the section and its keys stand."""
        self._place, self._nodes, self._readable = place, nodes, readable
        return self

    @classmethod
    def keys(cls) -> dict[str, FieldInfo]:
        """The fields by their names in the file."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, node: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        context = cast(ReadContext, info.context)
        known = cls.keys()
        readable = isinstance(node, YamlMapping) or is_nothing(node)
        if not readable:
            context.reject(node, "a mapping (key: value)")
        nodes = {name.text: value for name, value in node.entries} if isinstance(node, YamlMapping) else {}
        for name, value in nodes.items():
            if name not in known and not isinstance(value, Broken):
                hint = context.problems.did_you_mean(name, known) or f"; known here: {', '.join(known)}"
                context.report(value.place, f"unknown key{hint}")
        values = {name: value for name, value in nodes.items() if name in known}
        for name, field in known.items():
            place = Place(line=node.place.line, column=node.place.column, steps=(*node.place.steps, name))
            if name not in nodes and _is_section(field):
                values[name] = YamlMapping(place=place, entries=())
            elif name not in nodes and is_required(field):
                if readable:
                    context.report(node.place, f"{name} is missing; expected {_expected(field)}")
                values[name] = Broken(place=place)
        return handler(values).placed(node.place, nodes, readable=readable)

    @field_validator("*", mode="wrap")
    @classmethod
    def _read_or_default(cls, node: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        section = section_of(field)
        if section and not _is_section(field) and _is_absent(node, section):
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
        schema["type"] = ["object", "null"]
        schema.pop("title", None)
        properties = schema["properties"]
        for name, field in cls.keys().items():
            properties[name] = _property(field, properties[name])
        schema["required"] = [name for name, field in cls.keys().items() if is_required(field)]
        return reference


@dataclass(frozen=True)
class Named:
    """Metadata of a mapping whose keys are names of people's own choice; at least one must be there."""

    what: str
    name_expected: str
    pattern: str
    placeholder: str = "NAME"
    """What stands for a name in documents."""

    @property
    def expected(self) -> str:
        """What to write, for messages."""
        return f"at least one {self.what}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self._entries, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        names = {"pattern": f"^{self.pattern}$"}
        return {**handler(core), "minProperties": 1, "propertyNames": names}

    def _entries(self, node: Node, info: ValidationInfo[ReadContext]) -> dict[str, Node]:
        if not isinstance(node, YamlMapping) or not node.entries:
            info.context.reject(node, f"{self.expected} (name: …)")
            return {}
        for name, _ in node.entries:
            self._check(name, info.context)
        return {name.text: value for name, value in node.entries}

    def _check(self, name: Scalar, context: ReadContext) -> None:
        if name.kind is not Kind.TEXT:
            context.report(name.place, f"YAML takes this name for {name.kind}; put it in quotes")
        elif not re.fullmatch(self.pattern, name.text) or not name.text.isprintable():
            article = "an" if self.what[0] in "aeiou" else "a"
            context.report(name.place, f"cannot name {article} {self.what}; expected {self.name_expected}")


@dataclass(frozen=True)
class Items:
    """Metadata of a list: wrong items are reported and left out, unless the list is good as a whole only."""

    expected: str
    check: Callable[[list[Any]], str | None] | None = None
    """What is wrong with the list as a whole."""
    whole: bool = False
    least: bool = False
    """Whether there must be an item; an empty list is reported, and read all the same."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if not self.whole and schema["type"] == "list":
            item = core_schema.no_info_wrap_validator_function(_omit, schema["items_schema"])
            schema = core_schema.list_schema(item)
        return core_schema.with_info_wrap_validator_function(self._read, schema)

    def _read(self, node: Node, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[ReadContext]) -> list[Any]:
        if isinstance(node, Broken):
            return []
        if not isinstance(node, Sequence):
            error = info.context.reject(node, self.expected)
            if self.whole:
                raise error
            return []
        if self.least and not node.items:
            info.context.reject(node, self.expected)
        items: list[Any] = handler(list(node.items))
        problem = self.check(items) if self.check else None
        if problem:
            raise info.context.report(node.place, problem)
        return items


def json_schema(root: type[Section], title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a file, for editors."""
    schema = root.model_json_schema()
    schema |= {"type": "object", "title": title}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def section_of(field: FieldInfo) -> type[Section] | None:
    """The class of the section under a key; None for a single value, a list, or named sections."""
    kinds = (field.annotation,) if get_origin(field.annotation) in {dict, list} else get_args(field.annotation)
    kinds = kinds or (field.annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def is_required(field: FieldInfo) -> bool:
    """Whether the key must be in the file."""
    return bool(_extra(field, "required")) or (field.is_required() and not _is_section(field))


def default_of(field: FieldInfo) -> Any:
    """The default as it is written in the file; None where there is none, words in parentheses where it depends."""
    shown = _extra(field, "shown")
    default = field.default if shown is None and not field.is_required() else shown
    value = next((item for item in field.metadata if isinstance(item, Value)), None)
    if default is None or value is None or (isinstance(default, str) and default.startswith("(")):
        return default
    return value.show(default)


def _extra(field: FieldInfo, name: str) -> Any:
    return field.json_schema_extra.get(name) if isinstance(field.json_schema_extra, dict) else None


def _is_section(field: FieldInfo) -> bool:
    """Whether there is always a section under the key, an empty one where the file has none."""
    return section_of(field) is field.annotation is not None


def _is_absent(node: Node, section: type[Section]) -> bool:
    """Whether an optional section counts as left out."""
    return is_nothing(node) or (section.empty_is_absent and node == YamlMapping(place=node.place, entries=()))


def _expected(field: FieldInfo) -> str:
    return next(item.expected for item in field.metadata if isinstance(item, Value | Named | Items))


def _property(field: FieldInfo, schema: JsonSchemaValue) -> JsonSchemaValue:
    """The JSON Schema of a key, with what pydantic does not know: the default as it is written."""
    reference = next((option for option in schema.get("anyOf", ()) if "$ref" in option), None)
    described = reference or {
        name: item for name, item in schema.items() if name not in {"title", "default", "shown", "required"}
    }
    if field.description:
        described["description"] = _LINK.sub(r"\1", " ".join(field.description.split()))
    default = default_of(field)
    if default is not None and not (isinstance(default, str) and default.startswith("(")):
        described["default"] = default
    return described


def _omit(node: Node, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(node)
    except ValidationError:
        raise PydanticOmit from None
