"""What the API answers: the same as page, `status` and the routing file."""

import asyncio
import json
from dataclasses import replace

import httpx
import jsonschema
import pytest

from controller.api.badge import route_badge
from controller.status.document import status_document
from controller.status.overview import read
from monitor.clock import utc_now
from monitor.config.page_settings import PageSettings
from monitor.config.settings import Settings
from monitor.storage.database import open_reader
from tests.controller.api.conftest import ApiLab, serving
from tests.support import seeded_database as seeded

pytestmark = pytest.mark.slow

_OF_THE_MOMENT = {"at", "service", "money"}
PUBLIC_PATHS = ["summary", "status", "components", "incidents", "incidents/unresolved"]


async def test_status_is_what_the_command_prints(api: ApiLab) -> None:
    """One read model: key for key."""
    given = (await api.client.get("/v1/status")).json()
    printed = json.loads(json.dumps(status_document(read(api.settings, open_reader(api.settings.database), utc_now()))))
    assert given.keys() == printed.keys()
    assert {key: given[key] for key in given.keys() - _OF_THE_MOMENT} == {
        key: printed[key] for key in printed.keys() - _OF_THE_MOMENT
    }


async def test_routing_is_the_file_and_says_when_nothing_changed(api: ApiLab) -> None:
    """The tag is of everything but the heartbeat, which travels in a header."""
    first = await api.client.get("/v1/routing")
    assert first.content == api.settings.routing_file.read_bytes()
    await asyncio.sleep(0.005)
    api.publish()  # the heartbeat: nothing but written_at is new
    again = await api.client.get("/v1/routing", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["hotspare-written-at"] > first.headers["hotspare-written-at"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ('W/"{tag}"', 304),
        ('"{tag}"', 304),
        ('"a, b", W/"{tag}"', 304),
        ("*", 304),
        ('"x, {tag}"', 200),
        ('W/"other"', 200),
        ("{tag}", 200),
        ('"*"', 200),
        ("", 200),
    ],
)
async def test_tags_are_compared_weakly(api: ApiLab, given: str, status: int) -> None:
    """RFC 9110, 13.1.2: of a list any one is enough, and `*` is whatever there is."""
    tag = (await api.client.get("/v1/routing")).headers["etag"].removeprefix("W/").strip('"')
    answer = await api.client.get("/v1/routing", headers={"If-None-Match": given.replace("{tag}", tag)})
    assert (answer.status_code, answer.headers["etag"]) == (status, f'W/"{tag}"')


async def test_lines_of_tags_are_one_list_and_who_knows_all_waits_for_nothing(api: ApiLab) -> None:
    """As a proxy may split them; `*` names no version that could be followed by another."""
    tag = (await api.client.get("/v1/routing")).headers["etag"]
    split = await api.client.get("/v1/routing", headers=[("If-None-Match", '"x"'), ("If-None-Match", tag)])
    assert split.status_code == 304
    everything = api.client.get("/v1/routing?wait=60s", headers={"If-None-Match": "*"})
    assert (await asyncio.wait_for(everything, 15)).status_code == 304


async def test_those_that_wait_hear_of_the_next_table(api: ApiLab) -> None:
    """A long poll ends with the change, all of them with the same; without one, after its time."""
    tag = (await api.client.get("/v1/routing")).headers["etag"]
    waiting = [api.client.get("/v1/routing?wait=20s", headers={"If-None-Match": tag}) for _ in range(5)]
    answers = asyncio.gather(*waiting)
    await asyncio.sleep(0.2)
    assert not answers.done()
    table = json.loads(api.settings.routing_file.read_bytes())
    api.settings.routing_file.write_text(json.dumps({**table, "generation": 77}), encoding="utf-8")
    assert {(await answers)[number].json()["generation"] for number in range(5)} == {77}
    newest = (await api.client.get("/v1/routing")).headers["etag"]
    late = await api.client.get("/v1/routing?wait=100ms", headers={"If-None-Match": newest})
    assert late.status_code == 304


async def test_incidents_are_those_of_the_command(api: ApiLab) -> None:
    """The open one and the one of before, and all of one."""
    listed = (await api.client.get("/v1/incidents")).json()["incidents"]
    assert [each["resolved_at"] is None for each in listed] == [True, False]
    assert len((await api.client.get("/v1/incidents?open=true")).json()["incidents"]) == 1
    whole = (await api.client.get(f"/v1/incidents/{listed[0]['id']}")).json()
    assert whole["timeline"]
    assert (await api.client.get("/v1/incidents/999")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v1/incidents?since=soon",
        "/v1/incidents?open=perhaps",
        "/v1/routing?wait=20000d",
        "/v1/routing?wait=-1",
        "/v1/routing?wait=nan",
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(api: ApiLab, path: str) -> None:
    """A sentence, as JSON."""
    answer = await api.client.get(path)
    assert answer.status_code == 400
    assert path.partition("?")[2].partition("=")[0] in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/status/", "/v1/incidents/x", "/v1/incidents/99999999999999999999", "/..%2f..%2fetc/passwd"],
)
async def test_there_is_nothing_anywhere_else(api: ApiLab, path: str) -> None:
    """No file is ever served, and nothing is redirected."""
    answer = await api.client.get(path)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


async def test_what_is_only_read_takes_no_other_method(api: ApiLab) -> None:
    """The answer says which it takes."""
    answer = await api.client.post("/v1/status")
    assert (answer.status_code, "GET" in answer.headers["allow"]) == (405, True)


async def test_health_is_that_of_the_service(settings: Settings) -> None:
    """Whether it decides, and whether all is well, are two questions."""
    async with serving(settings) as lab:
        assert [(await lab.client.get(f"/{name}")).status_code for name in ("healthz", "readyz")] == [200, 200]
    async with serving(settings, trouble="no probe was made for 5 min") as lab:
        assert [(await lab.client.get(f"/{name}")).status_code for name in ("healthz", "readyz")] == [200, 503]
        assert (await lab.client.get("/readyz")).json() == {"status": "no probe was made for 5 min"}


async def test_a_badge_shows_where_the_route_is(api: ApiLab) -> None:
    """It is a picture of text that cannot do anything, also in hostile names."""
    answer = await api.client.get("/badge/route/chat.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert seeded.HAIKU in answer.text
    assert (await api.client.get(f"/badge/target/{seeded.LUNA}.svg")).text.count("down") == 3
    assert (await api.client.get("/badge/route/<x>.svg")).status_code == 404
    overview = read(api.settings, open_reader(api.settings.database), utc_now())
    hostile = replace(overview, routes=(replace(overview.routes[0], name=seeded.HOSTILE),))
    assert b"<script" not in (route_badge(hostile, seeded.HOSTILE) or b"<script")


async def test_strangers_are_told_no_reasons(settings: Settings) -> None:
    """With `ui.public` Statuspage's documents hold names, health and times; a token sees the rest."""
    public = replace(settings, ui=PageSettings(public=True))
    async with serving(settings) as lab:
        assert "server_error" in (await lab.client.get("/api/v2/incidents.json")).text
    async with serving(public) as lab:
        for name in PUBLIC_PATHS:
            answer = await lab.client.get(f"/api/v2/{name}.json")
            assert answer.status_code == 200
            assert "server_error" not in answer.text


async def test_the_document_describes_every_answer(api: ApiLab) -> None:
    """Every address of the OpenAPI document answers with the media type that it names."""
    document = (await api.client.get("/openapi.json")).json()
    names = {"id": "1", "route": "chat", "provider": "openai", "model": "gpt-6-luna"}
    for path, item in document["paths"].items():
        if "post" in item:
            assert (await api.client.post(path.format(**names), json={})).status_code == 401, path
            continue
        answer: httpx.Response = await api.client.get(path.format(**names))
        expected = item["get"]["responses"]["200"]["content"]
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].partition(";")[0] in expected, path
    jsonschema.Draft202012Validator.check_schema(document["components"]["schemas"]["Error"])
