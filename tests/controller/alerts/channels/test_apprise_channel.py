"""Apprise over a real socket, by its scheme `json://`: what arrives, what a refusal means, and that nothing hangs."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from controller.alerts.channel import DeliveryError
from controller.alerts.channels.apprise_channel import AppriseChannel, replace_markup
from controller.incidents.incident import EntryKind, TimelineEntry
from probes.target import Secret
from tests.support import incident_builders as alerts
from tests.support.builders import T0
from tests.support.receiver import TAKEN, Answer, receiving

PATH = "s3cr3t-t0ken"


def sink(url: str, **more: Any) -> AppriseChannel:
    """A service at this address."""
    return AppriseChannel(1, Secret(url.replace("http://", "json://") + f"/{PATH}"), **more)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alert", "kind"),
    [
        pytest.param(alerts.alert(alerts.stuck(alerts.incident(id=7))), "failure", id="critical is a failure"),
        pytest.param(alerts.alert(), "warning", id="what was handled is a warning"),
        pytest.param(
            alerts.alert(
                alerts.resolved(alerts.incident(id=7), T0 + timedelta(hours=1)),
                kind="incident_resolved",
            ),
            "success",
            id="the end is a success",
        ),
    ],
)
async def test_an_alert_arrives_with_its_type(alert: Any, kind: str) -> None:
    """Apprise's type is how services choose a colour, a priority or a sound."""
    async with receiving() as receiver:
        await sink(receiver.url).send(alert)
    [request] = receiver.requests
    assert (request.method, request.path) == ("POST", f"/{PATH}")
    assert (request.json["title"], request.json["type"]) == (alert.headline, kind)
    assert request.json["message"] == alert.text


@pytest.mark.slow
async def test_a_leader_says_its_epoch() -> None:
    """At the end: of two leaders' messages the one with the lower number is of the one that was deposed."""
    async with receiving() as receiver:
        await sink(receiver.url, epoch=7).send(alerts.alert())
    assert receiver.requests[0].json["message"] == f"{alerts.alert().text}\n\nepoch 7"


@pytest.mark.slow
async def test_nothing_from_outside_is_a_mention_or_a_link(caplog: pytest.LogCaptureFixture) -> None:
    """Services differ in what they read as markup; what would call people gives way to lookalikes, keys to `***`."""
    text = "@everyone <!channel> <@U1> [x](http://h) sk-proj-Zx81mQp4vTe7LrW2"
    hostile = alerts.incident(id=7, timeline=(TimelineEntry(at=T0, text=text, kind=EntryKind.HEALTH),))
    async with receiving() as receiver:
        await sink(receiver.url, secrets=[Secret("sk-proj-Zx81mQp4vTe7LrW2")]).send(alerts.alert(hostile))
    message = receiver.requests[0].json["message"]
    assert "＠everyone ‹!channel› ‹＠U1› ［x］(http://h) ***" in message
    assert replace_markup("a_b") == "a_b"


@pytest.mark.parametrize(
    ("status", "said", "permanent"),
    [
        pytest.param("500 No", "apprise 1 (JSON) did not take it: HTTP 500", False, id="its own error passes"),
        pytest.param("429 Slow", "apprise 1 (JSON) did not take it: HTTP 429", False, id="a rate limit passes"),
        pytest.param(
            "403 No",
            "apprise 1 (JSON) did not take it: HTTP 403; check its address in alerts.apprise",
            True,
            id="a refusal needs a person",
        ),
    ],
)
async def test_a_refusal_is_told_without_the_address(
    status: str, said: str, permanent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The status is all that is repeated of what Apprise logs; the address may hold a token."""
    with caplog.at_level(logging.INFO):
        async with receiving([Answer(status=status)]) as receiver:
            with pytest.raises(DeliveryError) as caught:
                await sink(receiver.url).send(alerts.alert())
    assert (str(caught.value), caught.value.permanent) == (said, permanent)
    assert PATH not in caplog.text


async def test_nobody_there_passes() -> None:
    """It could not be reached, and that is all that is said."""
    with pytest.raises(DeliveryError, match=r"^apprise 1 \(JSON\) did not take it: it could not be reached$") as caught:
        await sink("http://127.0.0.1:1").send(alerts.alert())
    assert not caught.value.permanent


async def test_one_that_hangs_holds_nobody_up_and_its_late_yes_counts() -> None:
    """After the deadline the caller goes on; what is still under way is not sent twice, and nothing else meanwhile."""
    async with receiving([Answer(instead="hold")]) as receiver:
        slow = sink(receiver.url, deadline_s=0.05)
        with pytest.raises(DeliveryError, match=r"did not answer within 0\.05 s"):
            await slow.send(alerts.alert())
        with pytest.raises(DeliveryError, match=r"has not answered yet to what it was sent before"):
            await slow.send(alerts.alert(alert_id="another"))
        with pytest.raises(DeliveryError, match=r"did not answer within"):
            await slow.send(alerts.alert())
        receiver.released.set()
        async with asyncio.timeout(30):
            while True:
                with suppress(DeliveryError):
                    await slow.send(alerts.alert())
                    break
    assert len(receiver.requests) == 1


async def test_two_in_a_row_are_two() -> None:
    """What was taken is out of the way."""
    async with receiving([TAKEN, TAKEN]) as receiver:
        friend = sink(receiver.url)
        await friend.send(alerts.alert())
        await friend.send(alerts.alert(alert_id="another"))
    assert len(receiver.requests) == 2


async def test_an_address_that_is_unknown_after_all_is_no_crash() -> None:
    """The configuration refuses it; another version of the library may, too."""
    with pytest.raises(DeliveryError, match="is not an address that Apprise knows"):
        await AppriseChannel(1, Secret("nosuch://s3cr3t")).send(alerts.alert())


@pytest.mark.slow
async def test_an_answer_without_end_costs_its_own_process_alone() -> None:
    """The library reads all of it; its memory has a bound, and the next message goes out."""
    async with receiving([Answer(instead="flood"), TAKEN]) as receiver:
        friend = sink(receiver.url)
        with pytest.raises(DeliveryError, match=r"^apprise 1 (failed|\(JSON\) did not take it)"):
            await friend.send(alerts.alert())
        await friend.send(alerts.alert(alert_id="another"))
