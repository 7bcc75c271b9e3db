"""The page for strangers, live and as a file, in a real browser: they say the same, and neither says too much."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support import seeded_database as seeded
from tests.support.page_process import launched, now, served

pytestmark = [pytest.mark.slow, pytest.mark.browser]

_SECRETS = ("alert(1)", "server_error", "9 of 14", "watch-1", "4711", "$0", seeded.KEY)


def test_the_file_says_what_the_page_says(tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Title, headline, every target and the incident; no text of a provider, cost, machine or key in either."""
    monkeypatch.setenv("KEY", seeded.KEY)
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, now())
    seeded.break_openai(settings, now(), detail=seeded.HOSTILE)
    engine = open_writer(settings.database)
    seeded.beat(Store(engine), now() + timedelta(minutes=10))  # however long the browser takes
    engine.dispose()
    config = tmp_path / "hotspare.yaml"
    with config.open("a") as file:
        file.write(
            "ui: {public: true, title: ACME models, notice: '<b>Sunday</b>', links: {Help: 'https://help.example'}}\n"
        )
    assert launched("--config", str(config), "--static", str(tmp_path / "out")).returncode == 0
    asked: list[str] = []
    still = browser.new_page()
    still.on("request", lambda request: asked.append(request.url))
    still.goto(f"file://{tmp_path}/out/index.html")
    assert asked == [f"file://{tmp_path}/out/index.html"]
    live = browser.new_page()
    with served(config) as (url, _):
        live.goto(url)
        expect(live.locator(".hs-banner h1")).to_contain_text("chat has failed over", timeout=60_000)
        for target in settings.targets:  # they appear one after another
            expect(live.get_by_text(target.model).first).to_be_attached(timeout=60_000)
        for page in (still, live):
            shown = page.locator("body").text_content() or ""
            assert page.title() == "chat failed over – ACME models"
            assert page.locator(".hs-banner h1").text_content() == live.locator(".hs-banner h1").text_content()
            assert "<b>Sunday</b>" in shown
            assert page.locator("a", has_text="Help").get_attribute("href") == "https://help.example"
            for target in settings.targets:
                assert target.model in shown, target.model
            assert "Outage of openai" in shown
            for secret in _SECRETS:
                assert secret not in page.content(), secret
