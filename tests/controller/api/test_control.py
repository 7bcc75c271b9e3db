"""Operating over HTTP: the same as the command line, in the name of the token, and for nobody else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from controller.api.control import Allowance, TooManyError
from controller.routing.store import OverrideStore
from monitor.clock import utc_now
from monitor.config.settings import Settings
from monitor.storage.database import open_reader
from tests.controller.api.conftest import OPERATOR, READER, TOKENS, ApiLab, serving
from tests.support import seeded_database as seeded

pytestmark = pytest.mark.slow

PIN = {"subject": "chat", "target": seeded.HAIKU, "reason": "try it", "for": "30m"}


@pytest.fixture
async def lab(settings: Settings) -> AsyncIterator[ApiLab]:
    """The API with a token that reads and one that operates."""
    async with serving(settings, tokens=TOKENS) as lab:
        lab.client.headers["Authorization"] = f"Bearer {OPERATOR}"
        yield lab


def in_force(lab: ApiLab) -> list[tuple[str, str, str]]:
    """What is in force: kind, subject, author."""
    store = OverrideStore(open_reader(lab.settings.database))
    return [(each.kind.value, each.subject, each.author) for each in store.in_force(utc_now())]


async def test_an_operator_pins_and_unpins(lab: ApiLab) -> None:
    """The token's name is the author; the answer is that of `hotspare pin --json`."""
    answer = await lab.client.post("/v1/pin", json=PIN)
    assert answer.status_code == 200
    assert answer.json().keys() == {"overrides", "service", "in_effect", "routes", "text"}
    assert in_force(lab) == [("pin", "chat", "ana")]
    assert (await lab.client.post("/v1/unpin", json={"subject": "chat"})).status_code == 200
    assert in_force(lab) == []


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/drain", {"subject": "openai", "reason": "r"}, "drain"),
        ("/v1/pause", {"subject": "all", "reason": "r"}, "pause"),
    ],
)
async def test_an_operator_drains_and_pauses(lab: ApiLab, path: str, body: dict[str, Any], kind: str) -> None:
    """And ends it."""
    assert (await lab.client.post(path, json=body)).status_code == 200
    assert in_force(lab) == [(kind, body["subject"], "ana")]
    ends = {"drain": "undrain", "pause": "resume"}[kind]
    assert (await lab.client.post(f"/v1/{ends}", json={"subject": body["subject"]})).status_code == 200


async def test_announced_work_is_shown_to_clients(lab: ApiLab) -> None:
    """In Statuspage's words as well."""
    body = {"subject": "openai", "reason": "a new key", "for": "1h"}
    assert (await lab.client.post("/v1/maintain", json=body)).status_code == 200
    await asyncio.sleep(1.2)
    shown = (await lab.client.get("/api/v2/summary.json")).json()
    assert [each["name"] for each in shown["scheduled_maintenances"]] == ["maintenance of openai"]
    states = {each["name"]: each["status"] for each in shown["components"]}
    assert (states[seeded.LUNA], states[seeded.HAIKU]) == ("under_maintenance", "operational")


async def test_an_operator_looks_after_an_incident(lab: ApiLab) -> None:
    """Acknowledges it, and writes to its story."""
    number = (await lab.client.get("/v1/incidents?open=true")).json()["incidents"][0]["id"]
    said = (await lab.client.post(f"/v1/incidents/{number}/ack", json={})).json()
    assert said["acknowledged_by"] == "ana"
    noted = (await lab.client.post(f"/v1/incidents/{number}/note", json={"text": "vendor called"})).json()
    assert (noted["timeline"][-1]["author"], "vendor called" in noted["timeline"][-1]["text"]) == ("ana", True)
    assert (await lab.client.post("/v1/incidents/999/ack", json={})).status_code == 404


@pytest.mark.parametrize("token", [None, "hsk_wrong", READER, TOKENS["ana"].hash])
async def test_nobody_else_changes_anything(lab: ApiLab, token: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Without a token, with a wrong one, with one that only reads: nothing happens, and it is logged."""
    lab.client.headers.pop("Authorization")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = await lab.client.post("/v1/pin", json=PIN, headers=headers)
    assert answer.status_code == (403 if token == READER else 401)
    assert in_force(lab) == []
    assert "api_operation_refused" in caplog.text or "api_token_refused" in caplog.text
    assert not token or token not in caplog.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"subject": "chat"}', 400),
        (b'{"subject": 7, "reason": "r"}', 400),
        (b'{"subject": "chat", "reason": "r", "until": "x"}', 400),
        (b'{"subject": "chat", "target": "openai/none", "reason": "r"}', 400),
        (b'{"subject": "none", "target": "openai/none", "reason": "r"}', 400),
        (b'{"subject": "chat", "target": "openai/gpt-6-luna", "reason": "r", "for": "90d"}', 400),
        (b'{"subject": "chat", "target": "openai/gpt-6-luna", "reason": "", "for": "1h"}', 400),
        (b'{"subject": "chat", "target": "openai/gpt-6-luna", "reason": "r"}', 409),
    ],
)
async def test_a_wrong_request_does_nothing(lab: ApiLab, body: bytes, status: int) -> None:
    """It is told what is wrong; the last one is a pin to a target that is down."""
    answer = await lab.client.post("/v1/pin", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert in_force(lab) == []


async def test_a_form_is_no_request(lab: ApiLab) -> None:
    """What a page of others could send without asking (CSRF)."""
    answer: httpx.Response = await lab.client.post("/v1/pin", data=PIN)
    assert answer.status_code == 415


async def test_a_token_may_not_act_without_end(lab: ApiLab) -> None:
    """Ten at once, wrong ones included; others may all the same."""
    statuses = [(await lab.client.post("/v1/unpin", json={"subject": "chat"})).status_code for _ in range(12)]
    assert statuses == [409] * 10 + [429] * 2


def test_an_allowance_comes_back() -> None:
    """One more every two seconds, and each token has its own."""
    now = [0.0]
    allowance = Allowance(monotonic=lambda: now[0])
    for _ in range(10):
        allowance.use("ana")
    with pytest.raises(TooManyError, match="ana"):
        allowance.use("ana")
    allowance.use("bo")
    now[0] = 2.5
    allowance.use("ana")
