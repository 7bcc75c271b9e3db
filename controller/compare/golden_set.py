"""Golden sets: questions, and what is expected of their answers. YAML with `questions`, or one JSON object a line.

Nothing in them is expanded: `${NAME}` stays as it is, so that a set from elsewhere reads no variable and no file.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Annotated, Any, Final

from pydantic import ValidationError

from monitor.config import document, values
from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Node, Place, Scalar, Sequence
from monitor.config.problems import ConfigError, Problems
from monitor.config.reading import ReadContext
from monitor.config.section import Key, Section, reference_to
from monitor.config.values import Value, as_written, must, text, whole_number
from probes.json_schema import schema_problem
from probes.question import Question, Tool
from probes.redaction import one_line

#: Of one set; asked of every candidate, and perhaps several times, they should still end in an hour.
MOST_QUESTIONS: Final = 200
_MOST_TOKENS: Final = 8192
_USUAL_TOKENS: Final = 256
_DIGEST_DIGITS: Final = 12
_LONGEST_NAME: Final = 60
#: Characters that JSON may hold as they are, and that YAML takes for line ends or refuses.
_NO_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_MAPPING: Final = as_written("a mapping such as {city: Bern}")


def _read_schema(node: Node, context: ReadContext) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = _MAPPING.read(node, context)
    if problem := schema_problem(schema):
        raise context.report(node.place, problem)
    return schema


_SCHEMA: Final = replace(_MAPPING, expected="a JSON Schema such as {type: object}", read=_read_schema)


def _list_of(kind: type[Section], expected: str, most: int) -> Value:
    def read(node: Node, context: ReadContext) -> tuple[Node, ...]:
        if not isinstance(node, Sequence) or not node.items:
            raise context.reject(node, expected)
        if len(node.items) > most:
            raise context.report(node.place, f"holds {len(node.items):,}; at most {most} can be asked")
        return node.items

    return Value(expected=expected, read=read, schema={"type": "array", "items": reference_to(kind), "minItems": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSection(Section):
    """A function that the model may call."""

    name: Annotated[
        str, text("a name", pattern="[A-Za-z0-9_-]{1,64}", wrong="is not a name of letters, digits, - and _")
    ]
    description: Annotated[str, text("what it does")]
    parameters: Annotated[Mapping[str, Any], _SCHEMA]
    """The JSON Schema of its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSection(Section):
    """The call that is expected."""

    name: Annotated[str, text("the name of one of the tools")]
    arguments: Annotated[Mapping[str, Any] | None, _MAPPING] = None
    """Those that it must have, with these values; others may be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSection(Section):
    """What is expected of an answer: one of these."""

    exact: Annotated[str | None, text("a text", any_kind=True)] = None
    """The whole text, white space around it aside."""
    contains: Annotated[str | None, text("a text", must(str.strip, "is empty"), any_kind=True)] = None
    """A text within it, whatever its case."""
    number: Annotated[float | None, values.number(lambda _: None)] = None
    """The last number in it."""
    json: Annotated[Mapping[str, Any] | None, _MAPPING] = None
    """Keys that it has as a JSON object, with these values; others may be there."""
    call: CallSection | None = None
    """A call in place of a text."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """One of them."""
        known = [name for name in self.keys() if node.has(name)]
        if len(known) > 1:
            context.report(node.place, f"has {' and '.join(known)}; expected one of {', '.join(self.keys())}")
        elif not node.values:
            context.report(node.place, f"is empty; expected one of {', '.join(self.keys())}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenQuestion(Section):
    """A question with what is expected of its answer."""

    name: Annotated[str, text("a name", any_kind=True), Key(default_text="its number")] = ""
    """What reports call it."""
    prompt: Annotated[str, text("what to ask, as a text")]
    """The user message, sent as it is."""
    schema: Annotated[Mapping[str, Any] | None, _SCHEMA] = None
    """The JSON Schema that the answer must fit. Strict modes want every object to require all its properties and to
    allow no others."""
    tools: Annotated[tuple[ToolSection, ...], _list_of(ToolSection, "a list of tools", 32)] = ()
    """Functions that the model may call; where no `call` is expected, none may be called."""
    max_tokens: Annotated[int, whole_number(1, _MOST_TOKENS)] = _USUAL_TOKENS
    """The token budget of the answer. Change it when answers are cut off."""
    expect: AnswerSection | None = None
    """Without it, only what candidates agree on is counted."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """What is expected can be answered."""
        if node.has("schema") and node.has("tools"):
            context.report(node.at("tools"), "does not go with schema: an answer is JSON, or a call; make two of it")
        call, tools = self.expect.call if self.expect else None, [tool.name for tool in self.tools]
        for tool in tools:
            if tools.count(tool) > 1:
                context.report(node.at("tools"), f"has {context.problems.shown(tool)} twice")
                break
        if call and call.name not in tools and (tools or not node.has("tools")):
            place = node.child("expect").at("call")
            context.unknown(place, call.name, "one of the question's tools", tools or ["none"])

    @property
    def question(self) -> Question:
        """What is asked."""
        tools = (Tool(name=each.name, description=each.description, parameters=each.parameters) for each in self.tools)
        return Question(prompt=self.prompt, schema=self.schema, tools=tuple(tools), max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSetDocument(Section):
    """Questions for `hotspare compare`."""

    questions: Annotated[
        tuple[GoldenQuestion, ...],
        _list_of(GoldenQuestion, "a list of questions", MOST_QUESTIONS),
        Key(required=True),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSet:
    """Questions with names of their own."""

    name: str
    """What people call the set: its file."""
    questions: tuple[GoldenQuestion, ...]

    @property
    def digest(self) -> str:
        """The same for sets that ask and expect the same."""
        content = json.dumps([asdict(question) for question in self.questions], sort_keys=True)
        return sha256(content.encode()).hexdigest()[:_DIGEST_DIGITS]


def parse_set(written: str, file: str, *, lines: bool = False) -> GoldenSet:
    """The set in a text, of which each of the `lines` is a question; raises ConfigError with all that is wrong."""
    problems = Problems(file=file)
    root = document.parse(_joined(written, problems) if lines else written, problems.problem)
    if not isinstance(root, YamlMapping) and not problems.problems:
        example = "expected questions: [{prompt: …, expect: {exact: …}}]"
        problems.problem(None, f"is empty; {example}" if root is None else f"is not a mapping; {example}")
    found = GoldenSetDocument()
    if isinstance(root, YamlMapping):
        context = ReadContext(environ={}, problems=problems, root=root)
        with suppress(ValidationError):  # all that is wrong has been reported
            found = GoldenSetDocument.adapter().validate_python(_unexpanded(root), context=context)
        questions = tuple(_named(found, root, problems))
    if problems.problems:
        raise ConfigError(problems.problems)
    return GoldenSet(name=file, questions=questions)


def _joined(written: str, problems: Problems) -> str:
    """Lines of JSON as one YAML document, in which each stays on its line; what is no object is reported."""
    lines = []
    for at, line in enumerate(written.split("\n"), start=1):
        try:
            value = json.loads(line, parse_constant=_refuse) if line.strip() else None
            if line.strip() and not isinstance(value, dict):
                raise ValueError("it is no object")
            # Not as ASCII, because YAML has no surrogate pairs.
            text = json.dumps(value, ensure_ascii=False)
            lines.append(_NO_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "," if line.strip() else "")
        except (ValueError, RecursionError) as error:
            why = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)[:100]
            text = f'is not JSON ({why}); expected one question a line, such as {{"prompt": "…"}}'
            problems.problem(Place(line=at, column=1), text)
            lines.append("")
    return "{questions: [" + "\n".join(lines) + "]}"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _unexpanded(node: Node) -> Node:
    """The node with what begins a variable written so that it is none."""
    match node:
        case Scalar():
            return replace(node, text=node.text.replace("${", "$${"))
        case Sequence():
            return replace(node, items=tuple(map(_unexpanded, node.items)))
        case YamlMapping():
            return replace(node, entries=tuple((key, _unexpanded(value)) for key, value in node.entries))
    return node


def _named(golden_set: GoldenSetDocument, root: Node, problems: Problems) -> Iterator[GoldenQuestion]:
    """The questions, those without a name by their numbers; a name that is there twice is reported."""
    listed = root.child("questions")
    nodes = listed.items if isinstance(listed, Sequence) else ()
    names: set[str] = set()
    for number_, (question, node) in enumerate(zip(golden_set.questions, nodes, strict=False), start=1):
        name = one_line(question.name, _LONGEST_NAME) or str(number_)
        if name in names:
            problems.problem(node.at("name"), f"{problems.shown(name)} is the name of two questions")
        names.add(name)
        yield replace(question, name=name)
