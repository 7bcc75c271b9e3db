"""Who may ask what, by the request's headers alone (pure)."""

import hmac
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from monitor.config.api_settings import ApiSettings

PREFIX: Final = "hsk_"
"""How every token begins."""
_LONGEST_TOKEN: Final = 200
_LONGEST_TARGET: Final = 2_000
#: What a request says once: of two, one reader takes the first and another the last.
_SAID_ONCE: Final = frozenset({b"authorization", b"content-type", b"host", b"origin"})
_MALFORMED: Final = "api_malformed_request"
_TOKEN_WORDS: Final = frozenset(
    {"token", "access_token", "api_key", "apikey", "key", "authorization", "auth", "bearer"}
)


class Access(StrEnum):
    """What one must be allowed to do for an answer."""

    OPEN = "open"
    """Nothing: whether the service lives is no secret."""
    PUBLIC = "public"
    """To see what strangers see, where `ui.public` shows it to them; else to read."""
    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBy:
    """Who asks, as far as the request proves it."""

    name: str = ""
    """Of the token; empty without one."""
    scope: str = ""
    """`read` or `operate`; empty: whatever is open to everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    event: str
    """For the log."""
    text: str


def hash_token(token: str) -> str:
    """What stands in the configuration in place of the token; it has 256 random bits, so that a fast hash will do."""
    return f"sha256:{sha256(token.encode(errors='surrogateescape')).hexdigest()}"


def refuse_head(target: bytes, names: Iterable[bytes]) -> Refusal | None:
    """Why a request that may mean several things is refused: for its target, or the names of its headers."""
    if len(target) > _LONGEST_TARGET:
        return Refusal(status=414, event="api_request_too_large", text="the address is too long")
    if not target.startswith(b"/") or b"#" in target:
        text = "this is no path of this service: expected one that begins with / and holds no #"
        return Refusal(status=400, event=_MALFORMED, text=text)
    for name, count in Counter(names).items():
        if count > 1 and name in _SAID_ONCE:
            return Refusal(status=400, event=_MALFORMED, text=f"the header {name.decode()} is there {count} times")
    return None


class AccessRules:
    """Decides by the settings; `bound` is the address that is listened on, if it is known."""

    def __init__(self, settings: ApiSettings, *, is_public: bool) -> None:
        self._settings = settings
        self._hosts = frozenset({"localhost", *(host.lower() for host in settings.hosts)})
        self._is_public = is_public

    def identify(self, headers: Mapping[str, str]) -> AskedBy | Refusal:
        """Who asks; a refusal for a token that is none of ours, wherever no token was needed as well."""
        given = headers.get("authorization")
        if given is None:
            return AskedBy()
        scheme, _, token = given.partition(" ")
        hashed, known = hash_token(token.strip()[:_LONGEST_TOKEN]), AskedBy()
        # Every token is compared, each in constant time: how long it takes says nothing.
        for name, configured in self._settings.tokens.items():
            if hmac.compare_digest(configured.hash, hashed):
                known = AskedBy(name=name, scope=configured.scope)
        if scheme.lower() != "bearer" or not known.name:
            return Refusal(
                status=401, event="api_token_refused", text="this token is not known; expected: Bearer TOKEN"
            )
        return known

    def refuse(self, access: Access, asked_by: AskedBy) -> Refusal | None:
        """Why it may not; None where it may."""
        if access is Access.OPEN or (access is Access.PUBLIC and self._is_public):
            return None
        if access is Access.OPERATE:
            if asked_by.scope == "operate":
                return None
            text = "to operate takes a token of the scope operate: `hotspare token` makes one"
            return Refusal(status=403 if asked_by.name else 401, event="api_operation_refused", text=text)
        if asked_by.name or self._settings.reads_openly:
            return None
        return Refusal(status=401, event="api_read_refused", text="to read takes a token: Authorization: Bearer TOKEN")

    def sees_all(self, asked_by: AskedBy) -> bool:
        """Whether the answer is not the one for strangers."""
        return bool(asked_by.name) or not self._is_public

    def refuse_address(self, path: str, query: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why a request is refused for where it goes or comes from; None for those that are right."""
        if _holds_token(path, query):
            text = "a token in an address ends in logs: make a new one, and send it as Authorization: Bearer TOKEN"
            return Refusal(status=400, event="api_token_in_address", text=text)
        host = headers.get("host")
        if host is None:
            return Refusal(status=400, event=_MALFORMED, text="the header host is missing")
        if not self._is_ours(host):
            text = f"{_shown(host)} is no name of this service; expected its address, or a name in api.hosts"
            return Refusal(status=421, event="api_host_refused", text=text)
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host.lower():
            return Refusal(status=403, event="api_origin_refused", text=f"pages of {_shown(origin)} may not ask here")
        return None

    def _is_ours(self, host: str) -> bool:
        """An address cannot be made to mean another machine; a name can (DNS rebinding)."""
        try:
            parts = urlsplit(f"//{host}")
            name, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.netloc != host or "@" in host:
            return False
        try:
            return bool(ip_address(name))
        except ValueError:
            return name.lower().rstrip(".") in self._hosts


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _holds_token(path: str, query: str) -> bool:
    if PREFIX in path or PREFIX in unquote_plus(query):
        return True
    return any(name.lower() in _TOKEN_WORDS for name in _names(query))


def _names(query: str) -> Iterable[str]:
    try:
        return [name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=50)]
    except ValueError:  # more of them than anything of ours has
        return []


def _shown(text: str) -> str:
    return repr(text[:80])
