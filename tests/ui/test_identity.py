"""Who may act: a sign-in of today, with the claim that is allowed, and nobody else."""

from typing import Any

import pytest

from monitor.config.page_settings import SignInSettings
from probes.target import Secret
from tests.support.builders import T0
from ui.identity import NotAllowedError, operator_name

SIGN_IN = SignInSettings(
    metadata_url="https://accounts.example/.well-known/openid-configuration",
    client_id="hotspare",
    client_secret=Secret("s"),
    cookie_secret=Secret("c" * 32),
    allow=frozenset({"ana@example.com", "on-call"}),
)
GROUPS = SignInSettings(**{name: getattr(SIGN_IN, name) for name in SignInSettings.__slots__} | {"claim": "groups"})
ANA: dict[str, Any] = {"is_logged_in": True, "iat": T0.timestamp() - 60, "email": "ana@example.com", "sub": "1"}


def test_the_allowed_act_under_their_name() -> None:
    """The address, or what else the provider calls them, as one line."""
    assert operator_name(ANA, SIGN_IN, T0) == "ana@example.com"
    by_group = ANA | {"groups": ["staff", "on-call"], "email": None, "preferred_username": "ana\n\u202e<b>"}
    assert operator_name(by_group, GROUPS, T0) == "ana <b>"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"is_logged_in": False}, "Nobody is signed in"),
        ({"is_logged_in": "yes"}, "Nobody is signed in"),
        ({"iat": None}, "does not say when"),
        ({"iat": True}, "does not say when"),
        ({"iat": T0.timestamp() - 8 * 3600 - 1}, "has ended"),
        ({"iat": T0.timestamp() + 3600}, "has ended"),
        ({"email": "eve@example.com"}, "may not act"),
        ({"email": "ANA@example.com"}, "may not act"),
        ({"email": None}, "may not act"),
        ({"email": {"ana@example.com": 1}}, "may not act"),
        ({"email_verified": False}, "may not act"),
        ({"email_verified": "false"}, "may not act"),
    ],
)
def test_everybody_else_is_refused(changes: dict[str, Any], why: str) -> None:
    """Expired, of the future, with another claim, without it, of a wrong type, unverified."""
    with pytest.raises(NotAllowedError, match=why):
        operator_name(ANA | changes, SIGN_IN, T0)


def test_a_group_must_be_one_of_the_list() -> None:
    """A part of a text is no group, and an address no substitute for the configured claim."""
    for groups in ("on-call-not", ["staff"], None, []):
        with pytest.raises(NotAllowedError, match="claim groups"):
            operator_name(ANA | {"groups": groups}, GROUPS, T0)
