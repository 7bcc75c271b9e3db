"""`api`: where the service answers, and whom."""

from pathlib import Path
from typing import Any

import pytest

from monitor.config.loader import load
from tests.support.configurations import ENVIRON, problems_of, write

HASH = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"listen": "8500"}, "is not an address of this machine and a port"),
        ({"listen": "example.org:8500"}, "the address is a number"),
        ({"listen": "127.0.0.1"}, "is not an address"),
        ({"listen": "127.0.0.1:99999"}, "is not an address"),
        ({"listen": "http://127.0.0.1:1"}, "is not an address"),
        ({"listen": "u@127.0.0.1:1"}, "is not an address"),
        ({"listen": "0.0.0.0:8500"}, "expected tokens beside it"),
        ({"hosts": ["a/b"]}, "is not a host's name"),
        ({"certificate": "c.pem"}, "need each other"),
        ({"certificate": "/no", "private_key": "/no"}, "cannot be used with its private_key"),
        ({"tokens": {"ana": {"hash": "hsk_secret"}}}, "is no hash of a token"),
        ({"tokens": {"ana": {"hash": HASH, "scope": "write"}}}, "scope"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, keys: dict[str, Any], problem: str) -> None:
    """Never with what may be a token."""
    said = problems_of(write(tmp_path, api=keys))
    assert any(problem in each for each in said)
    assert "hsk_secret" not in str(said)


@pytest.mark.parametrize(
    ("keys", "is_local", "reads_openly"),
    [
        ({}, True, True),
        ({"listen": "[::1]:0"}, True, True),
        ({"listen": "none"}, True, True),
        ({"tokens": {"ana": {"hash": HASH, "scope": "operate"}}}, True, True),
        ({"tokens": {"ana": {"hash": HASH}}}, True, False),
        ({"listen": "0.0.0.0:8500", "tokens": {"ana": {"hash": HASH, "scope": "operate"}}}, False, False),
    ],
)
def test_who_may_read_without_a_token(tmp_path: Path, keys: dict[str, Any], is_local: bool, reads_openly: bool) -> None:
    """Whoever is on the machine, as long as no token reads; plain HTTP for others is warned about."""
    settings = load(write(tmp_path, api=keys), ENVIRON)
    assert (settings.api.is_local, settings.api.reads_openly) == (is_local, reads_openly)
    assert any("readable by all on the way" in each for each in settings.warnings) is not is_local
