"""docs/alerts.md holds what the code does: the document obeys the schema, the snippet trusts what we sign, no more."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from controller.alerts.alert import AlertKind, alert_document, encode_alert
from controller.alerts.channels.webhook import SIGNATURE, sign
from monitor.formatting import percent_number
from probes.target import Secret
from tests.controller.alerts.channels.test_webhook import SCHEMA
from tests.support import incident_builders as alerts
from tests.support.paths import DOCS as DOCS_DIR

DOCS = (DOCS_DIR / "alerts.md").read_text(encoding="utf-8")
KEY = "0123456789abcdef0123"


def block(language: str) -> str:
    """The first block of this language."""
    match = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert match
    return match[1]


@pytest.fixture
def trusted() -> Callable[..., bool]:
    """The function that the documentation gives to receivers."""
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - the documentation's own words, which people will copy
    checked: Callable[..., bool] = names["is_from_hotspare"]
    return checked


def test_the_document_of_the_documentation_is_one() -> None:
    """It obeys the schema, and has every field that the code writes, and no other."""
    shown = json.loads(block("json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(shown)
    real = json.loads(encode_alert(alerts.alert()))
    assert list(shown) == list(real)
    assert list(shown["incident"]) == list(real["incident"])
    for part in ("affected", "routes", "timeline"):
        assert list(shown["incident"][part][0]) == list(real["incident"][part][0])


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_is_documented(kind: str) -> None:
    """In the table, as it is written in a document."""
    assert f"`{kind}`" in DOCS


def test_the_snippet_trusts_what_we_sign(trusted: Callable[..., bool]) -> None:
    """Signed now, with the same secret, over the same bytes."""
    content = encode_alert(alerts.alert())
    header = sign(Secret(KEY), content, at=datetime.now(tz=UTC))
    assert trusted(content, header, KEY)
    assert f"{SIGNATURE}: t=" in DOCS


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content, header, key: (content + b" ", header, key), id="another body"),
        pytest.param(lambda content, header, key: (content, header, key + "x"), id="another secret"),
        pytest.param(
            lambda content, header, key: (content, re.sub(r"t=\d+", f"t={int(time.time()) - 1}", header), key),
            id="another time",
        ),
        pytest.param(
            lambda content, _header, key: (
                content,
                sign(Secret(key), content, at=datetime.now(tz=UTC) - timedelta(minutes=6)),
                key,
            ),
            id="an old one that was recorded",
        ),
        pytest.param(lambda content, _header, key: (content, "", key), id="no header"),
        pytest.param(lambda content, _header, key: (content, "t=,v1=", key), id="an empty one"),
        pytest.param(lambda content, _header, key: (content, "t=²,v1=ü,x", key), id="nonsense"),
        pytest.param(lambda content, _header, key: (content, f"t={'9' * 5000},v1=a", key), id="a number without end"),
        pytest.param(lambda content, header, key: (content, header.split(",")[0], key), id="a time alone"),
    ],
)
def test_the_snippet_trusts_nothing_else(spoil: Callable[..., tuple[bytes, str, str]], trusted: Any) -> None:
    """And raises nothing whatever it is handed."""
    content = encode_alert(alerts.alert())
    header = sign(Secret(KEY), content, at=datetime.now(tz=UTC))
    assert trusted(*spoil(content, header, KEY)) is False


def test_the_example_of_the_digest_has_its_form() -> None:
    """Its first line begins as the code's does."""
    assert "📊 The week from Nov 9 to Nov 16: 2 incidents, 18 min 5 s in all" in DOCS
    assert percent_number(1 - 41 / (7 * 86400)) == "99.9"


def test_the_format_is_named() -> None:
    """What receivers look at first."""
    assert alert_document(alerts.alert())["format"] in DOCS
