"""The OpenAPI document: every address, what it takes and gives (pure)."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from controller.api.control import COMMANDS, AckBody, BeginBody, EndBody, NoteBody
from controller.api.statuspage import DOCUMENTS

_TEXT: Final = {"type": "string"}
_OBJECT: Final = {"type": "object"}
_JSON: Final = "application/json"
_NUMBER: Final = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
_ERROR: Final = {"$ref": "#/components/schemas/Error"}


def openapi_document(version: str) -> dict[str, Any]:
    """The document, OpenAPI 3.1; `version` is that of Hotspare."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hotspare",
            "version": version,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "What page and `hotspare status` show, for other programs. See docs/api.md.",
        },
        "paths": {**_health(), **_own(), **_operations(), **_statuspage(), **_badges()},
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string", "description": "What went wrong, as a sentence."}},
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _answer(text: str, media: str = _JSON, schema: Mapping[str, Any] = _OBJECT) -> dict[str, Any]:
    return {"description": text, "content": {media: {"schema": dict(schema)}}}


def _problem(text: str) -> dict[str, Any]:
    return _answer(text, _JSON, _ERROR)


_REFUSALS: Final = {
    "400": _problem("The request is wrong."),
    "401": _problem("A token is missing, or not known."),
    "403": _problem("The page that asks, or the token, may not do this."),
    "413": _problem("The body is too large."),
    "414": _problem("The address is too long."),
    "421": _problem("The Host header names another machine."),
    "503": _problem("It cannot be read now."),
}


def _get(
    text: str, good: Mapping[str, Any], *, parameters: tuple[dict[str, Any], ...] = (), **answers: Any
) -> dict[str, Any]:
    responses = {"200": dict(good), **_REFUSALS, **{code.removeprefix("on_"): each for code, each in answers.items()}}
    security: list[dict[str, list[str]]] = [{}, {"token": []}]
    return {"get": {"summary": text, "parameters": list(parameters), "responses": responses, "security": security}}


def _query(name: str, text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": dict(schema)}


def _in_path(name: str, text: str, schema: Mapping[str, Any] = _TEXT) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": text, "schema": dict(schema)}


def _health() -> dict[str, Any]:
    ready = _answer("All is well.")
    return {
        "/healthz": _get("Whether the service still decides", ready, on_503=_answer("It does not.")),
        "/readyz": _get("Whether it probes, stores and publishes", ready, on_503=_answer("It does not.")),
        "/metrics": _get("Metrics for Prometheus", _answer("All metrics.", "text/plain", _TEXT)),
    }


def _own() -> dict[str, Any]:
    duration = {"type": "string", "pattern": "^[0-9]{1,4}(ms|s|m|h|d)?$"}
    tag = {"name": "If-None-Match", "in": "header", "required": False, "schema": _TEXT}
    tag["description"] = "The ETag of the table that one has."
    headers = {
        "ETag": {"schema": _TEXT, "description": "Of everything but `written_at`."},
        "Hotspare-Written-At": {"schema": _TEXT, "description": "When the file was written last."},
    }
    wait = _query("wait", "Answer once the table is another one, at the latest after this time (60s).", duration)
    region = _query("region", "Of this region alone, by the names that its applications use.", _TEXT)
    table = {**_answer("The routing file."), "headers": headers}
    same = {"description": "It is still the same.", "headers": headers}
    missing = _problem("There is no such incident.")
    number = _in_path("id", "Its number.", _NUMBER)
    return {
        "/v1/status": _get("As `hotspare status --json`", _answer("What is known now.")),
        "/v1/routing": _get(
            "The routing file",
            table,
            parameters=(tag, wait, region),
            on_304=same,
            on_404=_problem("The table has no such region."),
        ),
        "/v1/incidents": _get(
            "As `hotspare incidents --json`",
            _answer("The incidents, the newest first."),
            parameters=(
                _query("since", "Those that were open within this time (30d).", duration),
                _query("open", "Only those that are open.", {"type": "boolean"}),
            ),
        ),
        "/v1/incidents/{id}": _get(
            "As `hotspare incidents show --json`", _answer("All of it."), parameters=(number,), on_404=missing
        ),
        "/openapi.json": _get("This document", _answer("OpenAPI 3.1.")),
    }


def _operations() -> dict[str, Any]:
    missing, number = _problem("There is no such incident."), _in_path("id", "Its number.", _NUMBER)
    commands = {
        f"/v1/{name}": _post(f"As `hotspare {name}`", EndBody if ends else BeginBody)
        for name, (_, ends) in COMMANDS.items()
    }
    return {
        **commands,
        "/v1/incidents/{id}/ack": _post("As `hotspare incidents ack`", AckBody, parameters=(number,), on_404=missing),
        "/v1/incidents/{id}/note": _post(
            "As `hotspare incidents note`", NoteBody, parameters=(number,), on_404=missing
        ),
    }


def _post(text: str, body: type[BaseModel], *, parameters: tuple[dict[str, Any], ...] = (), **answers: Any) -> Any:
    item = _get(text, _answer("What was done."), parameters=parameters, **answers)["get"]
    item["responses"] |= {
        "409": _problem("It would do harm, or there is nothing to do; nothing was done."),
        "415": _problem("The body is no JSON."),
        "429": _problem("The token has acted too often of late."),
    }
    schema = body.model_json_schema()
    item["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    return {"post": {**item, "security": [{"token": []}]}}


def _statuspage() -> dict[str, Any]:
    text = "In the words of Statuspage's API"
    return {f"/api/v2/{name}.json": _get(text, _answer("As Statuspage has it.")) for name in DOCUMENTS}


def _badges() -> dict[str, Any]:
    picture = _answer("A badge.", "image/svg+xml", _TEXT)
    missing = _problem("There is no such badge.")
    provider, model = _in_path("provider", "Of the target."), _in_path("model", "Of the target.")
    return {
        "/badge/status.svg": _get("How bad the headline is", picture),
        "/badge/route/{route}.svg": _get(
            "Where a route points", picture, parameters=(_in_path("route", "Its name."),), on_404=missing
        ),
        "/badge/target/{provider}/{model}.svg": _get(
            "The health of a target", picture, parameters=(provider, model), on_404=missing
        ),
    }
