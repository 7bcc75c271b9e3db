"""Acting on the page, in a real browser: signed in at a local OpenID Connect provider, or refused."""

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, Page, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from controller.alerts.slack.incident_message import incident_headline
from controller.journal import Journal
from controller.routing.store import OverrideStore
from monitor.storage.database import open_reader, open_writer
from tests.support import seeded_database as seeded
from tests.support.page_process import now, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    # Of Authlib, in the provider's threads, where it would be an error of the provider.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

COOKIE_SECRET = "a secret of at least thirty-two characters"


@pytest.fixture(autouse=True)
def patience() -> None:
    """Signing in takes several pages."""
    expect.set_options(timeout=30_000)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The provider's address; it knows ana and bob."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    users = (User(sub="ana", claims={"email": "ana@example.com"}), User(sub="bob", claims={"email": "bob@example.com"}))
    with run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def page_url(tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page of an outage, on which ana may act."""
    monkeypatch.setenv("KEY", seeded.KEY)
    monkeypatch.setenv("CLIENT_SECRET", "anything")
    monkeypatch.setenv("COOKIE_SECRET", COOKIE_SECRET)
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, now())
    seeded.break_openai(settings, now())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    sign_in = {
        "metadata_url": f"{provider}/.well-known/openid-configuration",
        "client_id": "hotspare",
        "client_secret": "${CLIENT_SECRET}",
        "cookie_secret": "${COOKIE_SECRET}",
        "allow": ["ana@example.com"],
    }
    config = tmp_path / "hotspare.yaml"
    with config.open("a") as file:
        file.write(yaml.safe_dump({"ui": {"url": url, "sign_in": sign_in}}))
    with served(config, port):
        yield url


def sign_in(page: Page, url: str, who: str) -> None:
    """Go there, and sign in as a user of the provider; ends on Operate."""
    page.set_default_timeout(30_000)
    page.goto(f"{url}/operate")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=who, exact=True).click()
    page.wait_for_url(f"{url}/**")
    page.goto(f"{url}/operate")


def cookie(url: str, secret: str, **claims: object) -> dict[str, str]:
    """The cookie of a sign-in, as the page itself would set it."""
    value = json.dumps({"origin": url, "is_logged_in": True, "provider": "default", **claims})
    name = "_streamlit_user"
    return {"name": name, "value": create_signed_value(secret, name, value).decode(), "url": url}


def test_who_is_signed_in_acts(tmp_path: Path, page_url: str, browser: Browser) -> None:
    """Pin, end, drain, acknowledge, note: as on the command line, under the name that the provider gave."""
    database = f"sqlite:///{tmp_path}/hotspare.db"
    overrides = OverrideStore(open_reader(database))
    page = browser.new_page()
    sign_in(page, page_url, "ana")
    expect(page.get_by_text("as ana@example.com")).to_be_visible()
    page.get_by_role("button", name="Pin", exact=True).last.click()
    expect(page.get_by_text("the reason is empty")).to_be_visible()
    assert not overrides.latest()
    page.get_by_label("Reason").fill("their *window*")
    page.get_by_role("button", name="Pin", exact=True).last.click()
    expect(page.get_by_text("tick the box")).to_be_visible()
    page.get_by_text("Even to a target that fails").click()
    page.get_by_role("button", name="Pin", exact=True).last.click()
    expect(page.get_by_text("is in force until")).to_be_visible()
    [pin] = overrides.in_force(now())
    assert (pin.kind, pin.author, pin.reason, pin.target) == ("pin", "ana@example.com", "their *window*", seeded.LUNA)
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_text("has ended")).to_be_visible()
    assert not overrides.in_force(now())
    for kind, subject, ends in (("Drain", seeded.LUNA, "Undrain"), ("Pause", "chat", "Resume")):
        page.get_by_test_id("stButtonGroup").get_by_text(kind, exact=True).click()
        expect(page.get_by_role("button", name=kind, exact=True).last).to_be_visible()
        page.get_by_label("Reason").fill(f"to {kind}")
        page.get_by_role("button", name=kind, exact=True).last.click()
        expect(page.get_by_text("is in force until")).to_be_visible()
        [begun] = overrides.in_force(now())
        assert (begun.kind, begun.subject, begun.author) == (kind.lower(), subject, "ana@example.com")
        page.get_by_role("button", name=ends).click()
        expect(page.get_by_text("has ended")).to_be_visible()
        assert not overrides.in_force(now())
    page.get_by_label("Note").fill("we have called them")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("the note is added")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("looks after it")).to_be_visible()
    [incident] = Journal(open_reader(database)).open_incidents()
    assert incident.acknowledged_by == "ana@example.com"
    assert "we have called them" in [entry.text for entry in incident.timeline]
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/oauth2/end_session**")
    page.goto(f"{page_url}/operate")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_an_incident_is_acknowledged_where_it_is_read(tmp_path: Path, page_url: str, browser: Browser) -> None:
    """On its own page, by who may act; others find the way to sign in, and a resolved one takes notes only."""
    journal = Journal(open_reader(f"sqlite:///{tmp_path}/hotspare.db"))
    [incident] = journal.open_incidents()
    page = browser.new_page()
    page.goto(f"{page_url}/incidents?incident={incident.id}")
    page.get_by_role("link", name="Sign in to acknowledge it or to add a note").click()
    expect(page).to_have_url(f"{page_url}/operate?incident={incident.id}")
    expect(page.get_by_text("Nobody is signed in")).to_be_visible()
    page.context.add_cookies([cookie(page_url, COOKIE_SECRET, iat=time.time(), email="ana@example.com")])  # type: ignore[list-item]
    page.goto(f"{page_url}/incidents?incident={incident.id}")
    expect(page.get_by_text("as ana@example.com")).to_be_visible()
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("the note is empty")).to_be_visible()
    page.get_by_label("Note").fill("we have *called* them")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("the note is added")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("")
    expect(page.locator(".hs-story").first).to_contain_text("we have *called* them")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_test_id("stAlert")).to_contain_text("looks after it")
    [incident] = journal.open_incidents()
    assert incident.acknowledged_by == "ana@example.com"
    page.goto(f"{page_url}/incidents?incident=1")
    expect(page.get_by_role("button", name="Add note")).to_be_visible()
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_who_may_not_act_is_refused(tmp_path: Path, page_url: str, browser: Browser) -> None:
    """Another claim, a sign-in that has ended, a forged cookie, one of another site, a page without the token."""
    page = browser.new_page()
    sign_in(page, page_url, "bob")
    expect(page.get_by_text("This account may not act")).to_be_visible()
    good = {"iat": time.time(), "email": "ana@example.com"}
    for made, says in (
        (cookie(page_url, COOKIE_SECRET, **good), "as ana@example.com"),
        (cookie(page_url, COOKIE_SECRET, **good | {"iat": time.time() - 9 * 3600}), "This sign-in has ended"),
        (cookie(page_url, COOKIE_SECRET, iat=time.time()), "This account may not act"),
        (cookie(page_url, "another secret of thirty-two characters", **good), "Nobody is signed in"),
        (cookie(page_url, COOKIE_SECRET, **good, origin="http://evil.example"), "Nobody is signed in"),
    ):
        context = browser.new_context()
        context.add_cookies([made])  # type: ignore[list-item]
        visit = context.new_page()
        visit.goto(f"{page_url}/operate")
        expect(visit.get_by_text(says)).to_be_visible()
        context.close()
    context = browser.new_context()
    context.add_cookies([cookie(page_url, COOKIE_SECRET, **good)])  # type: ignore[list-item]
    visit = context.new_page()
    visit.add_init_script("Object.defineProperty(document, 'cookie', {get: () => '', set: () => true})")
    visit.goto(f"{page_url}/operate")
    expect(visit.get_by_text("Nobody is signed in")).to_be_visible()
    for origin in map(Origin, ("http://evil.example", "http://127.0.0.1:1", "null")):
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(f"{page_url.replace('http', 'ws')}/_stcore/stream", origin=origin),
        ):
            pass


def test_a_message_in_slack_leads_to_its_incident(tmp_path: Path, page_url: str, browser: Browser) -> None:
    """The link in the footer of the message opens the page of that incident."""
    engine = open_writer(f"sqlite:///{tmp_path}/hotspare.db")
    journal = Journal(engine)
    [incident] = journal.open_incidents()
    [incident] = journal.commit([], [replace(incident, page_url=page_url)])
    engine.dispose()
    message = incident_headline(incident, now=now())
    [link] = re.findall(r"<(http[^|>]+)\|Incident \d+>", json.dumps(message.blocks))
    page = browser.new_page()
    page.goto(link)
    expect(page.locator(".hs-story").first).to_be_visible()
    expect(page.get_by_text("Outage of openai").first).to_be_visible()
    expect(page.locator(".hs-banner .hs-act")).to_be_visible()
    assert f"Incident {incident.id}" in page.title()
