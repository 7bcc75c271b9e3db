"""The settings of the API; see `monitor.config.settings`."""

import re
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit

from monitor.config.document import Node
from monitor.config.reading import ReadContext
from monitor.config.section import Key, NamedSections, Section
from monitor.config.values import choice, items, must, text

NOWHERE: Final = "none"
_EXPECTED: Final = "an address of this machine and a port such as 127.0.0.1:8500, or none"
_FILE: Final = text("the path of a file", must(str.isprintable, "holds a control character"))
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_HOST_NAME: Final = text("a host's name", must(_HOST.fullmatch, "is not a host's name"))


def _listen_problem(listen: str) -> str | None:
    if listen == NOWHERE:
        return None
    try:
        parts = urlsplit(f"//{listen}")
        is_complete = parts.port is not None and bool(ip_address(parts.hostname or ""))
    except ValueError:
        return f"is not {_EXPECTED}; the address is a number"
    return None if is_complete and parts.netloc == listen and "@" not in listen else f"is not {_EXPECTED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken(Section):
    """Who holds it, by the name above it, may use the API."""

    hash: Annotated[
        str,
        text("what `hotspare token` prints", must(_HASH.fullmatch, "is no hash of a token"), shown=False),
    ]
    """What `hotspare token` prints; the token itself is nowhere but with its holder."""
    scope: Annotated[str, choice(("read", "operate"), "scope")] = "read"
    """`read`, or `operate`: also pin, drain, pause, acknowledge and note, in the token's name. Change it when its
    holder acts."""


#: Of the name of a token, and in words.
NAME_PATTERN: Final = r"[a-z0-9][a-z0-9_.-]*"
NAME_EXPECTED: Final = "lower-case letters, digits, '_', '.' and '-', beginning with a letter or a digit"


def _named_tokens() -> Any:
    return NamedSections(kind=ApiToken, what="token", name_expected=NAME_EXPECTED, pattern=NAME_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(Section):
    """What other programs read, and operate, over HTTP."""

    empty_is_absent: ClassVar[bool] = True

    listen: Annotated[str, text(_EXPECTED, _listen_problem)] = "127.0.0.1:8500"
    """Where the service answers, or `none`; port 0 is any free one, which the log names. Where something else has the
    port, the service starts all the same, says so, and tries again. Change it when others than this machine ask: then
    `tokens` are needed."""
    hosts: Annotated[
        tuple[str, ...],
        items(_HOST_NAME, "a list such as [hotspare.internal]"),
        Key(default_text="none"),
    ] = ()
    """The names by which it is asked, besides addresses and `localhost`: another `Host` is refused. Change it when it
    has a name."""
    certificate: Annotated[Path | None, _FILE, Key(default_text="none: HTTP")] = None
    """Its certificate with the chain, in PEM form: it then speaks HTTPS. Change it when it is asked over a network."""
    private_key: Annotated[Path | None, _FILE, Key(default_text="none")] = None
    """The key of the certificate."""
    tokens: Annotated[dict[str, ApiToken], _named_tokens(), Key(default_text="none")] = field(default_factory=dict)
    """Who may ask, by name. Without a token that reads, everybody on this machine may read, and nobody may operate."""

    @property
    def address(self) -> tuple[str, int] | None:
        """The address and port; None where nobody listens."""
        if self.listen == NOWHERE:
            return None
        parts = urlsplit(f"//{self.listen}")
        return parts.hostname or "", parts.port or 0

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can ask."""
        return self.address is None or bool(ip_address(self.address[0]).is_loopback)

    @property
    def reads_openly(self) -> bool:
        """Whether one may read without a token."""
        return self.is_local and not any(token.scope == "read" for token in self.tokens.values())

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Off this machine there are tokens, and a certificate has its key."""
        if bool(self.certificate) != bool(self.private_key):
            context.report(node.place, "certificate and private_key need each other")
        elif self.certificate and self.private_key and context.keys:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.private_key)
            except OSError as error:  # what ssl raises is one, too
                reason = error.strerror or type(error).__name__
                context.report(node.at("certificate"), f"cannot be used with its private_key: {reason}")
        if self.is_local:
            return
        if not node.has("tokens"):
            context.report(node.at("listen"), "others than this machine can ask there; expected tokens beside it")
        if not self.certificate:
            unsafe = "tokens cross the network readable by all on the way; expected a certificate, or a proxy with one"
            context.problems.warn(node.at("listen"), unsafe)
