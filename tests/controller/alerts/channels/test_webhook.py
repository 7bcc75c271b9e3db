"""The webhook over real sockets: what is posted, how it is signed, and what each answer of a receiver means."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import trustme

from controller.alerts.alert import PendingEvent, alert_document, encode_alert, make_test_alert, notice_alert
from controller.alerts.channel import DeliveryError
from controller.alerts.channels.webhook import WebhookChannel, refusal_error, sign
from controller.incidents.incident import EntryKind, TimelineEntry
from probes.target import Secret
from probes.transport.fetch import FetchResult
from probes.transport.http_transport import tls_context
from tests.support import incident_builders as alerts
from tests.support.builders import T0
from tests.support.paths import ROOT
from tests.support.receiver import HANG, RESET, Answer, receiving
from tests.support.servers import server_tls, serving

SCHEMA = json.loads((ROOT / "controller" / "alerts" / "alert.schema.json").read_text(encoding="utf-8"))
SECRET = Secret("0123456789abcdef0123")
HOSTILE = 'sk-proj-Zx81mQp4vTe7LrW2 <!channel> @everyone "\\\ud800\x00 [a](http://b) ' + "x" * 10_000


def _event(*, kind: str, subject: str, text: str) -> PendingEvent:
    return PendingEvent(id=1, at=T0, kind=kind, subject=subject, text=text)


def sink(url: str, **more: Any) -> WebhookChannel:
    """A webhook at this address, which gets its secret and the time T0 unless told otherwise."""
    address, secret, tls = Secret(f"{url}/hook?token=s3cr3t-t0ken"), more.pop("secret", SECRET), tls_context(None)
    return WebhookChannel(address, secret, **{"tls": tls, "clock": lambda: T0, **more})


def check_schema(found: object) -> None:
    """Raises where it is no `hotspare.alert/1`."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)


async def test_an_alert_is_posted_once_with_its_id_and_signature() -> None:
    """One POST of JSON; the id is in the header too, and the signature is that of the body."""
    alert = alerts.alert()
    async with receiving() as receiver:
        await sink(receiver.url).send(alert)
    [request] = receiver.requests
    assert (request.method, request.path) == ("POST", "/hook?token=s3cr3t-t0ken")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-hotspare-delivery"] == request.json["id"] == alert.id
    assert request.headers["x-hotspare-signature"] == sign(SECRET, request.body, at=T0)
    assert request.body == encode_alert(alert)
    check_schema(request.json)


async def test_a_leader_says_its_epoch() -> None:
    """So that a receiver can leave out what one sends that was deposed."""
    async with receiving() as receiver:
        await sink(receiver.url, epoch=7).send(alerts.alert())
    [request] = receiver.requests
    assert request.json["epoch"] == 7
    check_schema(request.json)


async def test_without_a_secret_nothing_claims_to_be_signed() -> None:
    """The header is not there at all."""
    async with receiving() as receiver:
        await sink(receiver.url, secret=None).send(alerts.alert())
    assert "x-hotspare-signature" not in receiver.requests[0].headers


async def test_each_sending_is_signed_anew_and_says_the_same() -> None:
    """A second try has the time of the second try, so that it is inside the window, and the very same body."""
    moments = iter([T0, T0 + timedelta(minutes=10), T0 + timedelta(minutes=10)])
    async with receiving([Answer(status="503 Later")]) as receiver:
        hook = WebhookChannel(Secret(receiver.url), SECRET, tls=tls_context(None), clock=lambda: next(moments))
        with pytest.raises(DeliveryError):
            await hook.send(alerts.alert())
        await hook.send(alerts.alert())
    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["x-hotspare-signature"] != second.headers["x-hotspare-signature"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said", "permanent", "one_message", "wait_s"),
    [
        pytest.param(Answer(status="204 No Content"), None, False, False, None, id="any 2xx is a yes"),
        pytest.param(
            Answer(status="201 Created", instead="flood"), None, False, False, None, id="whatever its body becomes"
        ),
        pytest.param(
            Answer(status="500 No", body=b"our database\n is down"),
            "HTTP 500: our database is down",
            False,
            False,
            None,
            id="its own error passes, and its words are shown on one line",
        ),
        pytest.param(
            Answer(status="429 Slow", headers=("Retry-After: 17",)),
            "HTTP 429 and asks to wait 17 s",
            False,
            False,
            17.0,
            id="it may ask us to wait",
        ),
        pytest.param(
            Answer(status="503 Later", headers=("Retry-After: 999999",)),
            "HTTP 503 and asks to wait 3600 s",
            False,
            False,
            3600.0,
            id="but not for longer than an hour",
        ),
        pytest.param(
            Answer(status="429 Slow", headers=("Retry-After: -1e999",)),
            "HTTP 429",
            False,
            False,
            None,
            id="nor for nonsense",
        ),
        pytest.param(Answer(status="408 Late"), "HTTP 408", False, False, None, id="408 passes"),
        pytest.param(Answer(status="425 Early"), "HTTP 425", False, False, None, id="425 passes"),
        pytest.param(
            Answer(status="302 Found", headers=("Location: http://127.0.0.1:1/elsewhere",)),
            "redirects are not followed",
            True,
            False,
            None,
            id="a redirect is not followed",
        ),
        pytest.param(Answer(status="410 Gone"), "gone for good", True, False, None, id="410 needs a person"),
        pytest.param(Answer(status="404 No"), "check alerts.webhook_url", True, False, None, id="404 needs a person"),
        pytest.param(Answer(status="401 Who"), "webhook_secret", True, False, None, id="401 may be the secret"),
        pytest.param(Answer(status="422 No"), "HTTP 422", True, True, None, id="422 is about this document alone"),
        pytest.param(
            Answer(status="500 No", instead="flood"), "HTTP 500: xxxx", False, False, None, id="a flood is cut off"
        ),
        pytest.param(RESET, "the connection broke", False, False, None, id="it may hang up after reading"),
        pytest.param(HANG, "no answer within 0.3 s", False, False, None, id="it may hang"),
        pytest.param(Answer(status="99 What"), "the connection broke", False, False, None, id="it may be no HTTP"),
    ],
)
async def test_each_answer_means_something(
    answer: Answer, said: str | None, permanent: bool, one_message: bool, wait_s: float | None
) -> None:
    """Taken, passing or permanent; the sentence says which, and holds neither the address nor the secret."""
    async with receiving([answer]) as receiver:
        hook = sink(receiver.url, timeout_s=0.3 if answer is HANG else 20.0)
        if said is None:
            await hook.send(alerts.alert())
            return
        with pytest.raises(DeliveryError) as caught:
            await hook.send(alerts.alert())
    error = caught.value
    assert said in str(error)
    assert (error.permanent, error.one_message, error.retry_after_s) == (permanent, one_message, wait_s)
    assert len(str(error)) < 400
    assert not re.search(r"s3cr3t|0123456789abcdef|127\.0\.0\.1", str(error))
    assert len(receiver.requests) == 1


async def test_nobody_there_is_said_without_the_address() -> None:
    """A refused connection is passing, and says so in the system's words."""
    with pytest.raises(DeliveryError, match=r"the webhook did not answer: it could not be reached") as caught:
        await sink("http://127.0.0.1:1").send(alerts.alert())
    assert not caught.value.permanent
    assert "127" not in str(caught.value)


async def test_a_company_s_own_certificates_are_trusted_only_where_configured(tmp_path: Path) -> None:
    """`network.ca_bundle` holds for the webhook too."""
    authority, bundle = trustme.CA(), tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(bundle))

    async def yes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with serving(yes, server_tls(authority, "127.0.0.1")) as url:
        await sink(url, tls=tls_context(bundle)).send(alerts.alert())
        with pytest.raises(DeliveryError, match="certificate is not trusted"):
            await sink(url).send(alerts.alert())


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(alerts.alert(), id="an incident that opens"),
        pytest.param(
            alerts.alert(alerts.resolved(alerts.incident(id=7), T0 + timedelta(hours=1)), kind="incident_resolved"),
            id="one that is over, with all that is known",
        ),
        pytest.param(
            notice_alert(_event(kind="pinned", subject="chat", text="ana pinned chat"), alert_id="n", at=T0),
            id="a notice",
        ),
        pytest.param(
            notice_alert(
                _event(kind="weekly_digest", subject="2026-11-16", text="📊 The week\nRoute chat"),
                alert_id="d",
                at=T0,
            ),
            id="a digest",
        ),
        pytest.param(make_test_alert("t", at=T0, where="vm"), id="a test"),
    ],
)
def test_every_kind_of_document_obeys_the_schema(found: Any) -> None:
    """The schema is what receivers rely on."""
    check_schema(json.loads(encode_alert(found)))


@pytest.mark.parametrize("name", ["id", "kind", "severity", "incident"])
def test_the_schema_refuses_what_lacks_something(name: str) -> None:
    """It is no schema that takes everything."""
    found = alert_document(alerts.alert())
    del found[name]
    with pytest.raises(jsonschema.ValidationError):
        check_schema(json.loads(json.dumps(found)))


def test_hostile_text_arrives_as_text() -> None:
    """Whatever a provider wrote, it is valid JSON of bounded size, and our own keys are not in it."""
    line = TimelineEntry(at=T0, text=HOSTILE, kind=EntryKind.NOTE, author=HOSTILE)
    told = alerts.alert(alerts.incident(id=7, timeline=(line,) * 50, provider=HOSTILE[:80]))
    sent = encode_alert(told, [Secret("sk-proj-Zx81mQp4vTe7LrW2")])
    assert b"Zx81mQp4vTe7LrW2" not in sent
    found = json.loads(sent)
    assert "***" in found["text"]
    assert "\n" not in found["headline"]
    assert len(found["incident"]["timeline"]) == 50
    check_schema(found)


def test_a_digest_keeps_its_lines_and_a_notice_its_sentence() -> None:
    """The first line of a digest is its headline."""
    text = "📊 The week from Nov 9 to Nov 16: no incident\nRoute chat: 100 %\nopenai/m: 100 %"
    told = notice_alert(_event(kind="weekly_digest", subject="2026-11-16", text=text), alert_id="d", at=T0)
    assert (told.kind, told.headline) == ("digest", text.split("\n", maxsplit=1)[0])
    assert told.text == "Route chat: 100 %\nopenai/m: 100 %"
    notice = notice_alert(_event(kind="pinned", subject="chat", text="ana pinned\nchat"), alert_id="n", at=T0)
    assert (notice.kind, notice.headline, notice.text) == ("notice", "✋ Pinned: chat", "ana pinned\nchat")


def test_a_refusal_shows_a_stranger_s_words_only_as_far_as_they_help() -> None:
    """One line of them, bounded, beside what to do."""
    said = str(refusal_error(FetchResult(status=403, body=b"go away"), now=T0))
    assert said == (
        "the webhook refused it with HTTP 403 (the receiver refuses us: do alerts.webhook_secret and its own secret"
        " match?): go away"
    )


def test_the_same_alert_has_the_same_bytes() -> None:
    """What is signed and what is sent again is one and the same."""
    assert encode_alert(alerts.alert()) == encode_alert(replace(alerts.alert()))
