"""`hotspare check --schema` and `hotspare simulate --schema`: JSON Schemas for editors, of what the loader reads."""

import contextlib
import io
import json
import re
from dataclasses import fields
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from controller.cli.main import main
from controller.simulation.scenario_file import ScenarioDocument
from monitor.config.section import Section
from monitor.config.settings import Settings
from tests.support.configurations import FULL
from tests.support.paths import DATA, ROOT

#: Mistakes that a JSON Schema can tell, each beside its message; the others take the loader.
BROKEN = {
    "check": (
        ("configs", "unknown-key"),
        ("configs", "unknown-key-deep"),
        ("configs", "no-providers"),
        ("configs", "providers-as-list"),
        ("configs", "models-empty"),
        ("configs", "provider-name"),
        ("configs", "model-name"),
        ("configs", "dialect-unknown"),
        ("configs", "section-is-a-word"),
        ("configs", "duration-without-unit"),
        ("configs", "duration-in-words"),
        ("configs", "value-is-a-list"),
        ("configs", "share-as-number"),
        ("configs", "rate-as-number"),
        ("configs", "number-in-words"),
        ("configs", "flag-as-text"),
        ("configs", "check-unknown"),
        ("configs", "weight-of-nothing"),
        ("configs", "price-without-output"),
        ("configs", "failback-misspelt"),
        ("configs", "fail-over-on-unknown"),
        ("configs", "endpoint"),
        ("configs", "blips-length-of-three"),
        ("configs", "budget-of-nothing"),
        ("configs", "slack-most-per-hour"),
        ("configs", "slack-severity-unknown"),
        ("configs", "slack-quiet-incomplete"),
        ("configs", "slack-mention-as-word"),
    ),
    "simulate": (
        ("scenarios", "unknown-key"),
        ("scenarios", "unknown-key-of-an-outage"),
        ("scenarios", "duration-missing"),
        ("scenarios", "time-without-unit"),
        ("scenarios", "failure-rate-in-words"),
        ("scenarios", "blips-scope-unknown"),
        ("scenarios", "outcome-good"),
        ("scenarios", "outages-as-mapping"),
        ("scenarios", "targets-empty"),
        ("scenarios", "flap-half"),
        ("scenarios", "latency-factor-too-low"),
        ("scenarios", "traffic-without-a-unit"),
    ),
}


class _Yaml12Loader(yaml.SafeLoader):
    """As editors read YAML 1.2: dates are text."""


_Yaml12Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str) -> Any:
    """A YAML document as an editor sees it; `${NAME}` in braces is text, as the loader has it."""
    return yaml.load(re.sub(r"(?<=[ \[])(\$\{\w+\})", r'"\1"', text), Loader=_Yaml12Loader)  # noqa: S506 - a SafeLoader


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both commands print, in a folder without any file."""
    with contextlib.chdir(tmp_path_factory.mktemp("empty")):
        return {command: printed(command) for command in ("check", "simulate")}


def printed(command: str) -> Any:
    """What `--schema` prints; it ends with 0."""
    with contextlib.redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit) as ended:
        main([command, "--schema"])
    assert ended.value.code == 0
    return json.loads(shown.getvalue())


def test_they_are_schemas(schemas: dict[str, Any]) -> None:
    """Of the draft that they name, and closed everywhere but where people choose the names."""
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]
        for section in (schema, *schema["$defs"].values()):
            assert section["additionalProperties"] is False
            for key in section["properties"].values():
                assert key.get("description") or "$ref" in key or "additionalProperties" in key


@pytest.mark.parametrize("root", [Settings, ScenarioDocument])
def test_every_field_is_read(root: type[Section]) -> None:
    """A field that is no key, nor a fact about the file that the loader adds, would have its default in silence."""
    facts = {"path", "warnings", "name", "revision", "files", "variables", "region"}
    sections = [root]
    for section in sections:
        keys = section.keys().values()
        names = {field.name for field in fields(section)}  # type: ignore[arg-type] # every section is a dataclass
        assert names - {key.field for key in keys} <= facts
        sections += [key.section for key in keys if key.section]


def test_defaults_are_as_they_are_written(schemas: dict[str, Any]) -> None:
    """With their units, so that an editor can complete them; a default of a setting that has none is not there."""
    definitions = schemas["check"]["$defs"]
    controller = definitions["ControllerSettings"]["properties"]
    assert (controller["dwell"]["default"], controller["detect"]["default"]) == ("1m", "30%")
    assert controller["false_failovers"]["default"] == "1 per 90d"
    assert definitions["ProbingSection"]["properties"]["checks"]["default"] == ["chat"]
    assert "default" not in definitions["ProviderSection"]["properties"]["base_url"]
    validator = Draft202012Validator(schemas["check"])
    for section in definitions.values():
        for name, key in section["properties"].items():
            if "default" in key:
                assert validator.evolve(schema=key).is_valid(key["default"]), name


def test_the_examples_are_valid(schemas: dict[str, Any]) -> None:
    """As they stand, and with what they have in comments."""
    example = (ROOT / "hotspare.example.yaml").read_text(encoding="utf-8")
    complete = re.sub(r"(?m)^(\s+)# (?=[a-z_]+: )", r"\1", example).replace(": {}\n  ", ":\n  ")
    scenario = (ROOT / "scenario.example.yaml").read_text(encoding="utf-8")
    commented = re.sub(r"(?m)^  # (- \{)", r"  \1", scenario)
    for command, text in (("check", example), ("check", complete), ("simulate", scenario), ("simulate", commented)):
        assert [error.message for error in Draft202012Validator(schemas[command]).iter_errors(read(text))] == []


def test_a_variable_may_stand_for_any_value(schemas: dict[str, Any]) -> None:
    """Also for a number, a switch or a word."""
    document = {
        "providers": {"a": {"dialect": "${DIALECT}", "signing": "${SIGN}", "models": {"m": {"interval": "${I}"}}}},
        "routes": {"chat": {"candidates": ["a/m"], "fail_over_on": ["${HEALTH}"]}},
        "controller": {"dry_run": "${DRY}", "detect": "${SHARE}"},
        "budget": {"usd_per_month": "${USD}"},
    }
    assert Draft202012Validator(schemas["check"]).is_valid(document)


def test_no_secret_is_required(schemas: dict[str, Any]) -> None:
    """A configuration without keys and tokens is valid for the editor; the loader says what is missing."""
    sections = schemas["check"]["$defs"].values()
    required = {name for section in sections for name in section.get("then", section)["required"]}
    assert not required & {"api_key", "token", "app_token", "webhook_url", "webhook_secret"}
    bare = {**FULL, "alerts": {"slack": {}}}
    bare["providers"] = {"openai": {"dialect": "openai-chat", "models": {"m": None}}}
    assert Draft202012Validator(schemas["check"]).is_valid(bare)


@pytest.mark.parametrize(
    ("command", "folder", "name"),
    [pytest.param(command, *mistake, id=mistake[1]) for command, mistakes in BROKEN.items() for mistake in mistakes],
)
def test_a_mistake_is_invalid(schemas: dict[str, Any], command: str, folder: str, name: str) -> None:
    """What the loader refuses, the editor underlines, as far as a schema can tell."""
    document = read((DATA / folder / f"{name}.yaml").read_text(encoding="utf-8"))
    assert not Draft202012Validator(schemas[command]).is_valid(document)
