"""Who may ask: by token, by the name that is asked for, and by the page that asks."""

import pytest

from controller.api.access import Access, AccessRules, AskedBy, Refusal, hash_token
from monitor.config.api_settings import ApiSettings, ApiToken
from tests.controller.api.conftest import OPERATOR, READER, TOKENS

LOCAL = AccessRules(ApiSettings(), is_public=False)
OPERATED = AccessRules(ApiSettings(tokens={"ana": TOKENS["ana"]}), is_public=False)
CLOSED = AccessRules(ApiSettings(tokens=TOKENS), is_public=False)
ABROAD = AccessRules(ApiSettings(listen="0.0.0.0:8500", tokens=TOKENS, hosts=("Status.Internal",)), is_public=True)


def asked(rules: AccessRules, token: str | None) -> AskedBy | Refusal:
    """Who asks with this token."""
    return rules.identify({} if token is None else {"authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    ("rules", "token", "allowed"),
    [
        (LOCAL, None, "open public read"),
        (OPERATED, None, "open public read"),
        (OPERATED, OPERATOR, "open public read operate"),
        (CLOSED, None, "open"),
        (CLOSED, READER, "open public read"),
        (CLOSED, OPERATOR, "open public read operate"),
        (ABROAD, None, "open public"),
        (ABROAD, READER, "open public read"),
    ],
)
def test_what_a_token_allows(rules: AccessRules, token: str | None, allowed: str) -> None:
    """Reading is open to this machine until a token reads; operating takes a token everywhere."""
    who = asked(rules, token)
    assert isinstance(who, AskedBy)
    assert " ".join(each for each in Access if rules.refuse(each, who) is None) == allowed


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic aGk6aGk=", "", READER, "Bearer " + "x" * 10_000])
def test_a_wrong_token_is_refused_where_none_is_needed_too(header: str) -> None:
    """Whoever sends one believes that it counts."""
    for rules in (LOCAL, CLOSED):
        refusal = rules.identify({"authorization": header})
        assert isinstance(refusal, Refusal)
        assert (refusal.status, "x" * 20 in refusal.text) == (401, False)


def test_the_hash_does_not_open() -> None:
    """What stands in the configuration is no token."""
    assert isinstance(asked(CLOSED, TOKENS["ana"].hash), Refusal)
    assert isinstance(
        asked(AccessRules(ApiSettings(tokens={"a": ApiToken(hash=hash_token(""))}), is_public=False), "x"), Refusal
    )


@pytest.mark.parametrize(
    ("rules", "host", "is_ours"),
    [
        (LOCAL, "127.0.0.1:8500", True),
        (LOCAL, "localhost", True),
        (LOCAL, "LOCALHOST:1", True),
        (LOCAL, "[::1]:8500", True),
        (LOCAL, "evil.example", False),
        (LOCAL, "127.0.0.1.evil.example", False),
        (LOCAL, "localhost@evil.example", False),
        (LOCAL, "localhost/evil", False),
        (LOCAL, "", False),
        (LOCAL, "localhost:99999", False),
        (LOCAL, "[::1", False),
        (ABROAD, "status.internal:8500", True),
        (ABROAD, "status.internal.evil.example", False),
    ],
)
def test_a_name_of_others_is_refused(rules: AccessRules, host: str, is_ours: bool) -> None:
    """A page could make its own name mean this machine (DNS rebinding); an address it cannot."""
    refusal = rules.refuse_address("/v1/status", "", {"host": host})
    assert (refusal is None) is is_ours
    assert refusal is None or refusal.status == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8500", None),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://localhost:8501", 403),
        ("http://[", 403),
    ],
)
def test_a_page_of_others_may_not_ask(origin: str, status: int | None) -> None:
    """Also not for what it could not read."""
    refusal = LOCAL.refuse_address("/v1/status", "", {"host": "localhost:8500", "origin": origin})
    assert (refusal and refusal.status) == status


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/status", "token=x"),
        ("/v1/status", "a=1&Access_Token=x"),
        ("/v1/status", "api%5Fkey=x"),
        (f"/{READER}", ""),
    ],
)
def test_a_token_in_an_address_is_refused(path: str, query: str) -> None:
    """Whoever did it once would do it again; the answer does not repeat it."""
    refusal = CLOSED.refuse_address(path, query, {"host": "localhost"})
    assert refusal
    assert (refusal.status, READER in refusal.text) == (400, False)
