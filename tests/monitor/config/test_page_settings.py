"""The keys under `ui`: addresses that can be linked, and secrets that the page alone reads."""

from pathlib import Path
from typing import Any

import pytest

from monitor.config.loader import load
from tests.support.configurations import ENVIRON, problems_of, write

SIGN_IN: dict[str, Any] = {
    "metadata_url": "https://accounts.example/.well-known/openid-configuration",
    "client_id": "hotspare",
    "client_secret": "${CLIENT_SECRET}",
    "cookie_secret": "${COOKIE_SECRET}",
    "allow": ["ana@example.com"],
}


def test_only_the_page_needs_its_secrets(tmp_path: Path) -> None:
    """The service runs without them, whatever its environment lacks; the page reads them, and no provider's key."""
    path = write(tmp_path, ui={"url": "https://status.example/", "sign_in": SIGN_IN})
    of_service = load(path, ENVIRON).ui
    assert of_service.url == "https://status.example"
    assert of_service.sign_in is not None
    assert of_service.sign_in.client_secret.reveal() == "not-read"
    of_page = load(path, {"CLIENT_SECRET": "secret", "COOKIE_SECRET": "c" * 32}, keys=False, page=True).ui.sign_in
    assert of_page is not None
    assert (of_page.client_secret.reveal(), of_page.claim, of_page.lasts_s) == ("secret", "email", 8 * 3600.0)


@pytest.mark.parametrize(
    ("ui", "problem"),
    [
        ({"links": {"Help": "javascript:alert(1)"}}, "is not an address that can be linked"),
        ({"links": ["https://help.example"]}, "expected a mapping such as"),
        ({"links": {"Help": "https://ana:pw@help.example"}}, "holds a user name or a password, which everybody would"),
        ({"links": {"Help": "https://help.example:99999/"}}, "is not an address"),
        ({"logo": "logo.exe"}, "is not a picture"),
        ({"url": "status.example"}, "is not an http(s) address"),
        ({"title": "two\nlines"}, "is no line of"),
        ({"sign_in": SIGN_IN}, "needs ui.url"),
        ({"url": "https://s.example", "sign_in": {**SIGN_IN, "allow": []}}, "nobody could act"),
        ({"url": "https://s.example", "sign_in": {**SIGN_IN, "lasts": "1s"}}, "too short"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, ui: dict[str, Any], problem: str) -> None:
    """With its place, before anything is served."""
    (found,) = problems_of(write(tmp_path, ui=ui))
    assert "ui" in found
    assert problem in found
