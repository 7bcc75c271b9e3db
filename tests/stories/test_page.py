"""The page as it runs: the script in each state, the process it is started as, and a real browser that looks at it."""

import re
import signal
import socket
from datetime import timedelta
from os import environ
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, WebSocket, expect
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Element

from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support import seeded_database as seeded
from tests.support.page_process import launched, now, served
from ui import app

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose database does not exist yet, and the key that it asks for."""
    monkeypatch.setenv("KEY", seeded.KEY)
    return seeded.write_config(tmp_path)


def shown(config: Path, page: str | None = None, **state: str) -> str:
    """All the HTML of one run of the script, without the style sheet; the run must not fail.

    `page` is that of `ui.screens`, or Cost, with this state in its address; else the script shows its first.
    """
    script = AppTest.from_file(app.__file__, default_timeout=30)
    if page == "cost":
        script = AppTest.from_string(f"from ui import app\napp._show_cost({str(config)!r})", default_timeout=30)
    elif page:
        script = AppTest.from_string(f"from ui.screens import {page}\n{page}.show({str(config)!r})", default_timeout=30)
    script.secrets["config"] = str(config)
    for name, value in state.items():
        script.query_params[name] = value
    script.run()
    assert not script.exception
    html = [str(element.value) for element in script.get("html") if isinstance(element, Element)]
    return "\n".join(part for part in html if not part.startswith("<style>"))


PAGES = ("status", "routes", "target", "incidents", "cost")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_without_a_database(config: Path, page: str) -> None:
    """Each says what is missing, and nothing else."""
    html = shown(config, page)
    assert html.count("There is nothing to show yet") == 1
    (config.parent / "hotspare.db").write_text("this is a letter to a friend, and long enough to be no database")
    assert shown(config, page).count("The database cannot be used") == 1


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_a_newer_version(config: Path, page: str) -> None:
    """A database of a later version is not read, and that is said."""
    engine = open_writer(seeded.settings_in(config.parent).database)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    html = shown(config, page)
    assert "The database cannot be used" in html
    assert "newer" in html


@pytest.mark.parametrize("page", PAGES)
def test_every_page_in_the_first_minute(config: Path, page: str) -> None:
    """The service has begun, and nothing is known yet."""
    settings = seeded.settings_in(config.parent)
    engine = open_writer(settings.database)
    seeded.beat(Store(engine), now())
    engine.dispose()
    assert "hs-" in shown(config, page)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_a_stopped_monitor(config: Path, page: str) -> None:
    """What was last seen stays."""
    settings, then = seeded.settings_in(config.parent), now() - timedelta(minutes=12)
    seeded.seed(settings, then)
    engine = open_writer(settings.database)
    seeded.beat(Store(engine), then, stopped_at=then)
    engine.dispose()
    html = shown(config, page)
    assert "hs-section" in html
    assert "hs-trouble" not in html


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_long_names(config: Path, page: str) -> None:
    """Of 80 characters each, whole where they are shown."""
    settings = seeded.long_named(config)
    seeded.seed(settings, now())
    html = shown(config, page, **({"target": settings.targets[0].id} if page == "target" else {}))
    assert "hs-section" in html
    if page in {"status", "routes", "target"}:
        assert seeded.LONG in html


def test_every_page_of_an_outage(config: Path) -> None:
    """What a provider wrote is text everywhere, and the address says what is shown."""
    settings = seeded.settings_in(config.parent)
    seeded.seed(settings, now())
    seeded.break_openai(settings, now(), detail=seeded.HOSTILE)
    told = {
        "status": ({"q": "luna"}, "2 of 6 targets"),
        "routes": ({"route": "chat", "range": "1h"}, "it is down"),
        "target": ({"target": seeded.LUNA, "range": "1h"}, "10.4 of 9.8"),
        "incidents": ({"incident": "2"}, "Evidence and effect in figures"),
        "cost": ({}, "Cost of probing"),
    }
    for page, (state, words) in told.items():
        html = shown(config, page, **state)
        assert words in html, page
        assert "<script" not in html
        assert "<img" not in html
        assert seeded.KEY not in html
    assert "There is no incident 99." in shown(config, "incidents", incident="99")
    assert "There is no incident" in shown(config, "incidents", incident="'; drop")


@pytest.mark.parametrize(("page", "kind"), [("target", "target"), ("routes", "route")])
def test_what_is_gone_is_not_shown_as_another(config: Path, page: str, kind: str) -> None:
    """A link in an old message may name what the configuration no longer has."""
    seeded.seed(seeded.settings_in(config.parent), now())
    html = shown(config, page, **{kind: "<b>gone</b>"})
    assert f"There is no {kind} &lt;b&gt;gone&lt;/b&gt; in the configuration" in html
    assert "There is no" not in shown(config, page)


def test_a_missing_database(config: Path) -> None:
    """Before the first `hotspare run` the page says what is missing and what to do, and nothing else."""
    html = shown(config)
    assert "There is nothing to show yet" in html
    assert "hotspare.db: is <code>hotspare run</code> running" in html
    assert "hs-banner" not in html


def test_a_file_that_is_no_database(config: Path) -> None:
    """Something else in the database's place is told apart from nothing at all."""
    (config.parent / "hotspare.db").write_text("this is a letter to a friend, and long enough to be no database")
    html = shown(config)
    assert "The database cannot be used" in html
    assert "is not a database" in html


def test_an_empty_database(config: Path) -> None:
    """A migrated database without a row is a monitor that never ran."""
    open_writer(seeded.settings_in(config.parent).database).dispose()
    html = shown(config)
    assert "The monitor has never run" in html
    assert "Start it with <code>hotspare run</code>" in html


def test_a_quiet_service(config: Path) -> None:
    """Every section is there, and no key."""
    seeded.seed(seeded.settings_in(config.parent), now())
    html = shown(config)
    assert "All 2 routes are on their first choice; 6 targets up" in html
    for heading in ("Routes", "Providers", "Past incidents", "Decisions and events"):
        assert f"<h2>{heading}" in html
    assert html.count('class="hs-strip hs-days"') == 6
    assert html.count('<article class="hs-provider"') == 3
    assert seeded.KEY not in html


def test_an_outage(config: Path) -> None:
    """The open incident is on the page, and what the provider wrote is text."""
    settings = seeded.settings_in(config.parent)
    seeded.seed(settings, now())
    seeded.break_openai(settings, now(), detail=seeded.HOSTILE)
    html = shown(config)
    assert f"chat has failed over to {seeded.HAIKU}" in html
    assert "<h2>Open incidents" in html
    assert html.count('<figure class="hs-trail">') == 1
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_a_stopped_monitor(config: Path) -> None:
    """What was last seen stays on the page and is called old."""
    settings = seeded.settings_in(config.parent)
    then = now() - timedelta(minutes=12)
    seeded.seed(settings, then)
    engine = open_writer(settings.database)
    seeded.beat(Store(engine), then, stopped_at=then)
    engine.dispose()
    html = shown(config)
    assert "The monitor was stopped at" in html
    assert "as they were at" in html


def test_a_port_that_is_taken(config: Path) -> None:
    """The error names address and port and what to do; no other port is taken instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = launched("--config", str(config), "--port", str(port))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port or --address\n"
    )


@pytest.mark.parametrize("written", ["providers: 3\n", "providers: {}\nroutes: {}\n"], ids=["broken", "nothing"])
def test_a_broken_configuration(tmp_path: Path, written: str) -> None:
    """The mistakes are printed instead of a page that cannot work, also that nothing is configured."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(written)
    ended = launched("--config", str(path))
    assert ended.returncode == 2
    assert f"{path}:1" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly(config: Path, number: signal.Signals) -> None:
    """Ctrl-C and a supervisor's stop are orderly ends: status 0 and no last words."""
    with served(config) as (_, process):
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "")


def test_the_static_page_may_be_public(config: Path, tmp_path: Path) -> None:
    """One file, without what providers wrote, scripts, costs, hosts and addresses; written at once or not at all."""
    folder = tmp_path / "public" / "status"
    assert launched("--config", str(config), "--static", str(folder)).returncode == 2
    assert not folder.exists()
    settings = seeded.settings_in(config.parent)
    seeded.seed(settings, now())
    seeded.break_openai(settings, now(), detail=seeded.HOSTILE)
    assert launched("--config", str(config), "--static", str(folder)).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert seeded.LUNA.partition("/")[2] in html
    assert "Outage of openai" in html
    for hidden in ("script", "alert(1)", "server_error", "$", "watch-1", "4711", seeded.KEY, "http", "href", "src="):
        assert hidden not in html.replace("http-equiv", "").replace("default-src", ""), hidden
    ended = launched("--config", str(config), "--static", str(config / "below a file"))
    assert (ended.returncode, "cannot be written" in ended.stderr) == (2, True)


@pytest.fixture
def browser_page(browser: Browser) -> Page:
    """A page of a real browser."""
    page = browser.new_page(viewport={"width": 390, "height": 1600})
    page.set_default_timeout(30_000)
    return page


@pytest.mark.browser
def test_in_a_browser(config: Path, browser_page: Page) -> None:
    """The page follows the database without a reload, from nothing to an outage, and asks nobody but its own server."""
    settings, page = seeded.settings_in(config.parent, interval="2s"), browser_page
    asked: set[str | None] = set()

    def note(request: Request | WebSocket) -> None:
        asked.add(urlsplit(request.url).hostname)

    page.on("request", note)
    page.on("websocket", note)
    with served(config) as (url, _):
        page.goto(url)
        expect(page.locator(".hs-trouble h1")).to_have_text("There is nothing to show yet", timeout=30_000)
        seeded.seed(settings, now(), hours=0.1)
        expect(page.locator(".hs-banner h1")).to_have_text(
            "All 2 routes are on their first choice; 6 targets up", timeout=30_000
        )
        expect(page.locator(".hs-targets tbody tr:not(.hs-below)")).to_have_count(6, timeout=30_000)
        expect(page.locator(".hs-trouble")).to_have_count(0)
        page.evaluate("document.body.dataset.loaded = 'once'")
        seeded.break_openai(settings, now(), detail=seeded.HOSTILE)
        expect(page.locator(".hs-banner h1")).to_contain_text("chat has failed over", timeout=30_000)
        expect(page.locator(".hs-said").first).to_contain_text("<script>alert(1)</script>", timeout=30_000)
        expect(page.locator(".hs-plot i")).to_have_count(14)
        edge = page.locator(".hs-plot i").last.bounding_box()
        assert edge, "the drawing must be seen"
        assert edge["height"] > 40
        assert page.evaluate("document.body.dataset.loaded") == "once"
        assert page.title() == "chat failed over – Hotspare"
        seeded.mend_openai(settings, now())
        expect(page.locator(".hs-banner h1")).to_contain_text("on their first choice", timeout=30_000)
        assert page.title() == "Hotspare"
        wide = page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.stMain'))")
        assert wide == 0, "a phone must not need to scroll sideways"
    assert asked == {"127.0.0.1"}
    assert environ["KEY"] not in page.content()


@pytest.mark.browser
def test_the_past_in_a_browser(config: Path, browser_page: Page) -> None:
    """The address says page, target and range; charts are drawn; a reader finds the way there and back."""
    seeded.seed(seeded.settings_in(config.parent), now())
    page = browser_page
    with served(config) as (url, _):
        page.goto(f"{url}/target?target={seeded.LUNA}&range=7d")
        pictures = page.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)")
        expect(pictures).to_have_count(3, timeout=30_000)
        assert page.title() == f"{seeded.LUNA}: up – Hotspare"
        page.locator("[data-testid=stButtonGroup] button", has_text="24 h").click()
        expect(page).to_have_url(re.compile(r"range=24h"), timeout=30_000)
        wide = page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.stMain'))")
        assert wide == 0, "a phone must not need to scroll sideways"
        page.goto(f"{url}/routes?route=summaries&range=1h")
        expect(page.locator(".hs-candidates tbody tr")).to_have_count(2, timeout=30_000)
        expect(pictures).to_have_count(1, timeout=30_000)
        assert page.title() == "summaries: first choice – Hotspare"
        page.locator(".hs-table a", has_text="chat").click()
        expect(page).to_have_url(re.compile(r"route=chat&range=1h"), timeout=30_000)
        expect(page.locator(".hs-candidates tbody tr")).to_have_count(3, timeout=30_000)
        page.goto(f"{url}/incidents?incident=1")
        expect(page.locator(".hs-story").first).to_be_visible(timeout=30_000)
        assert page.title() == "Incident 1, over – Hotspare"
        page.locator("summary", has_text="The report").click()
        expect(page.locator("[data-testid=stCode]")).to_contain_text("# Incident 1", timeout=30_000)
        page.goto(url)
        expect(page.locator(".hs-banner h1")).to_be_visible(timeout=30_000)
