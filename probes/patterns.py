"""Regular expressions that people write, matched by RE2's rules: in time that is linear in the text."""

from pydantic_core import SchemaError, SchemaValidator, core_schema


def regex_problem(regex: str) -> str | None:
    """Why a pattern cannot be used, in a phrase that goes on from it."""
    try:
        matches(regex, "")
    except SchemaError as error:
        reason = str(error).splitlines()[-1].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        return f"is not a regular expression of RE2's syntax: {reason}"
    return None


def matches(regex: str, text: str) -> bool:
    """Whether the pattern matches somewhere; in time that is linear in the text, whatever a provider wrote there."""
    schema = core_schema.str_schema(pattern=regex, regex_engine="rust-regex")
    # Half a character, which JSON may hold, is no text for the engine.
    return SchemaValidator(schema).isinstance_python(text.encode("utf-8", "replace").decode())
