"""What people expect of every page, in a real browser: by eye, by keyboard, by screen reader, on paper, offline."""

import re
import signal
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support import seeded_database as seeded
from tests.support.page_process import launched, now, served

pytestmark = [pytest.mark.slow, pytest.mark.browser]
_WAIT_MS = 30_000
_GRAVE = {"serious", "critical"}
#: The service of these tests writes no more: it is taken for alive until then.
_ALIVE = timedelta(minutes=10)
_PAGES = ("", "routes?route=chat&range=1h", f"target?target={seeded.LUNA}&range=1h", "incidents?incident=2", "cost")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of an outage, with a provider whose words are hostile."""
    monkeypatch.setenv("KEY", seeded.KEY)
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, now())
    seeded.break_openai(settings, now(), detail=seeded.HOSTILE)
    engine = open_writer(settings.database)
    seeded.beat(Store(engine), now() + _ALIVE)
    engine.dispose()
    return tmp_path / "hotspare.yaml"


def _open(browser: Browser, url: str, **how: object) -> Page:
    page = browser.new_context(timezone_id="Europe/Berlin", **how).new_page()  # type: ignore[arg-type] # as it takes
    page.set_default_timeout(_WAIT_MS)
    page.goto(url)
    expect(page.locator(".hs-section").first).to_be_visible(timeout=_WAIT_MS)
    return page


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 375)], ids=["light and wide", "dark and narrow"]
)
def test_everybody_can_read_every_page(config: Path, browser: Browser, scheme: str, width: int) -> None:
    """No serious violation of accessibility, nothing to scroll sideways, no script of a provider, no other host."""
    with served(config) as (url, _):
        page = _open(browser, url, color_scheme=scheme, viewport={"width": width, "height": 900})
        asked: set[str | None] = set()
        page.context.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
        page.on("websocket", lambda socket: asked.add(urlsplit(socket.url).hostname))
        for address in _PAGES:
            page.goto(f"{url}/{address}")
            expect(page.locator(".hs-section").first).to_be_visible(timeout=_WAIT_MS)
            page.wait_for_load_state("networkidle")
            found = Axe().run(page).response["violations"]
            serious = [
                (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in {"serious", "critical"}
            ]
            assert serious == [], address
            wide = page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.stMain'))")
            assert wide == 0, address
            assert page.title() != "owned"
        assert asked == {"127.0.0.1"}, "no request leaves the machine"


def test_long_names_fit_on_a_phone(tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 characters without a break."""
    monkeypatch.setenv("KEY", seeded.KEY)
    settings = seeded.long_named(seeded.write_config(tmp_path))
    seeded.seed(settings, now())
    with served(tmp_path / "hotspare.yaml") as (url, _):
        page = _open(browser, url, viewport={"width": 375, "height": 812})
        for address in ("", "routes", f"target?target={settings.targets[0].id}", "incidents", "cost"):
            page.goto(f"{url}/{address}")
            expect(page.locator(".hs-section").first).to_be_visible(timeout=_WAIT_MS)
            page.wait_for_load_state("networkidle")
            wide = page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.stMain'))")
            assert wide == 0, address


def test_by_keyboard_alone(config: Path, browser: Browser) -> None:
    """From the top to an incident by Tab and Enter; a bar tells its day when it is reached."""
    with served(config) as (url, _):
        page = _open(browser, url)
        expect(page.locator(".hs-banner a")).to_be_visible(timeout=_WAIT_MS)
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.closest('.hs-banner') !== null"):
                break
        page.keyboard.press("Enter")
        expect(page.locator(".hs-story").first).to_be_visible(timeout=_WAIT_MS)
        assert "incident=2" in page.url
        page.goto(url)
        bar = page.locator(".hs-strip a").first
        bar.focus()
        assert "incident" in page.evaluate("getComputedStyle(document.activeElement, '::after').content")


def test_times_are_those_of_the_viewer(config: Path, browser: Browser) -> None:
    """UTC is in the title of each; the range and the search are in the address."""
    with served(config) as (url, _):
        page = _open(browser, f"{url}/routes?route=chat&range=1h")
        told = page.locator(".hs-since time").first
        expect(told).to_be_visible(timeout=_WAIT_MS)
        title = told.get_attribute("title")
        assert title
        berlin, utc = int(told.inner_text()[:2]), int(title[11:13])
        assert (berlin - utc) % 24 in {1, 2}
        page.goto(f"{url}/?q=flash")
        expect(page.locator(".hs-provider")).to_have_count(1, timeout=_WAIT_MS)
        expect(page.locator(".hs-provider h3")).to_have_text("gemini")
        with page.expect_download() as download:
            page.get_by_role("button", name="Targets as CSV").click()
        assert seeded.FLASH in download.value.path().read_text(encoding="utf-8")


def test_a_lost_connection_is_said_by_the_page(config: Path, browser: Browser) -> None:
    """With the last instant known; Streamlit's own words do not stand above it."""
    with served(config) as (url, process):
        page = _open(browser, url)
        lost = page.locator(".hs-lost")
        expect(lost).to_be_attached(timeout=_WAIT_MS)
        expect(lost).to_be_hidden()
        process.send_signal(signal.SIGKILL)
        expect(lost).to_be_visible(timeout=_WAIT_MS)
        assert lost.inner_text().startswith("Connection lost, as of ")
        expect(page.locator(".stDialog")).to_have_css("clip-path", "inset(50%)", timeout=_WAIT_MS)


def test_nothing_moves_when_an_incident_is_over(config: Path, browser: Browser) -> None:
    """From moved to recovered without a reload; what somebody reads stays where it was."""
    with served(config) as (url, _):
        page = _open(browser, url, viewport={"width": 1280, "height": 700})
        expect(page.locator(".hs-banner h1")).to_contain_text("chat has failed over", timeout=_WAIT_MS)
        read = page.locator(".hs-provider", has_text="gemini").first
        expect(read).to_be_visible(timeout=_WAIT_MS)
        read.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        before = read.bounding_box()
        seeded.mend_openai(seeded.settings_in(config.parent), now(), alive=_ALIVE)
        expect(page.locator(".hs-banner h1")).to_contain_text("on their first choice", timeout=_WAIT_MS)
        page.wait_for_timeout(500)
        after = read.bounding_box()
        assert before
        assert after
        assert abs(before["y"] - after["y"]) < 120
        assert page.title() == "Hotspare"


def test_on_paper(config: Path, browser: Browser) -> None:
    """Neither navigation nor buttons; the whole page, not what fits on the screen."""
    with served(config) as (url, _):
        page = _open(browser, url)
        expect(page.locator(".hs-provider").first).to_be_visible(timeout=_WAIT_MS)
        page.emulate_media(media="print")
        expect(page.locator("[data-testid=stHeader]")).to_be_hidden()
        expect(page.get_by_role("button", name="Targets as CSV")).to_be_hidden()
        assert page.evaluate("getComputedStyle(document.querySelector('.stMain')).overflow") == "visible"


def test_the_static_page_says_what_the_live_one_says(config: Path, browser: Browser, tmp_path: Path) -> None:
    """The same headline, routes, targets and days."""
    folder = tmp_path / "public"
    assert launched("--config", str(config), "--static", str(folder)).returncode == 0
    with served(config) as (url, _):
        live = _open(browser, url)
        expect(live.locator(".hs-provider").first).to_be_visible(timeout=_WAIT_MS)
        static = browser.new_page()
        static.goto((folder / "index.html").as_uri())
        assert static.locator("h1").inner_text().split(":")[0] == live.locator("h1").first.inner_text().split(":")[0]
        for target in (seeded.LUNA, seeded.HAIKU):
            rows = [
                page.locator(".hs-targets tbody tr", has_text=target.partition("/")[2]).first for page in (live, static)
            ]
            shares = [re.findall(r"[\d.]+(?=\s*%)", row.inner_text()) for row in rows]
            assert len(shares[0]) == 4
            assert shares[0] == shares[1], target
