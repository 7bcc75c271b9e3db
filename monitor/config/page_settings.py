"""The settings under `ui`; see `monitor.config.settings`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Final

from monitor.config.addresses import link_problem
from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Node
from monitor.config.reading import ReadContext
from monitor.config.section import Key, Section
from monitor.config.values import Value, address, duration, flag, items, must, secret, text
from probes.target import Secret

_SHORTEST_SECRET: Final = 32
_LONGEST_TEXT: Final = 500
_MOST_LINKS: Final = 10
_PATH: Final = {"type": "string"}
_LINKS: Final = "a mapping such as {Support: https://help.example}"
_LINK: Final = re.compile(r"(https?://|mailto:)[^\s<>\"'`\x00-\x1f]{1,500}")
_LINE: Final = text(
    "a line of text",
    must(lambda line: line.isprintable() and len(line) <= _LONGEST_TEXT, f"is no line of {_LONGEST_TEXT} characters"),
)
_LONG_ENOUGH: Final = must(
    lambda value: len(value) >= _SHORTEST_SECRET,
    f"is too short to keep anybody from guessing it; expected at least {_SHORTEST_SECRET} characters",
)


def _of_page(value: Value) -> Value:
    """A secret that the page alone needs: elsewhere it need not be in the environment, and is not read."""
    return replace(value, read=lambda node, context: value.read(node, replace(context, keys=context.page)))


def _read_links(node: Node, context: ReadContext) -> Mapping[str, str]:
    if not isinstance(node, YamlMapping) or len(node.values) > _MOST_LINKS:
        raise context.reject(node, f"{_LINKS}, at most {_MOST_LINKS}")
    links = {}
    for name, value in node.values.items():
        shown = context.text(value, "an address")
        if not _LINK.fullmatch(shown) or not name.isprintable():
            raise context.refuse(shown, "is not an address that can be linked; write https://… or mailto:…")
        if not shown.startswith("mailto:") and (problem := link_problem(shown)):
            raise context.report(shown.place, problem)
        links[name] = str(shown)
    return links


def _read_folder(node: Node, context: ReadContext) -> Path:
    path = context.text(node, "the path of a folder")
    if not path.isprintable():
        raise context.refuse(path, "holds a control character; expected the path of a folder")
    return Path(path)


def _read_picture(node: Node, context: ReadContext) -> Path:
    path = _read_folder(node, context)
    if path.suffix.lower() not in {".png", ".svg", ".jpg", ".jpeg", ".webp"}:
        raise context.report(node.place, "is not a picture; expected a file that ends in .png, .svg, .jpg or .webp")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSettings(Section):
    """Who may act on the page: people that an OpenID Connect provider signs in, by one of its claims."""

    empty_is_absent: ClassVar = True

    metadata_url: Annotated[str, address("the provider's address …/.well-known/openid-configuration")]
    """The provider's discovery document."""
    client_id: Annotated[str, _LINE]
    """What the provider calls this page. Its redirect address is `ui.url` with `/oauth2callback` behind it."""
    client_secret: Annotated[Secret, _of_page(secret("HOTSPARE_CLIENT_SECRET", "secret"))]
    """The provider's secret for it, as `${HOTSPARE_CLIENT_SECRET}`; the page alone reads it."""
    cookie_secret: Annotated[
        Secret, _of_page(secret("HOTSPARE_COOKIE_SECRET", "secret", check=_LONG_ENOUGH, header=False))
    ]
    """What signs the page's cookies, at least 32 random characters. A new one signs everybody out."""
    allow: Annotated[frozenset[str], items(_LINE, "a list such as [ana@example.com]")]
    """The values of the claim that may act, letter for letter."""
    claim: Annotated[str, _LINE] = "email"
    """The claim that is compared; a list, such as `groups`, must hold one of them. An address that the provider calls
    unverified does not count. Change it when the provider knows roles."""
    lasts_s: Annotated[float, duration(at_least_s=60.0)] = 8 * 3600.0
    """For how long after signing in somebody may act. Change it when the provider's claims change often: shorter."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Somebody is allowed."""
        if node.has("allow") and not self.allow:
            context.report(node.at("allow"), "is empty, so that nobody could act; leave `sign_in` out for that")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings(Section):
    """The page, and where else it is shown."""

    url: Annotated[
        str | None,
        address("the page's address such as https://status.example").then(lambda url: url.rstrip("/")),
        Key(default_text="none"),
    ] = None
    """Where people open the page: messages, the webhook and `status` then link to its incidents. Change it when it is
    served for others than you."""
    public: Annotated[bool, flag()] = False
    """Hide what providers wrote, reasons, costs, authors and machines, on the page as in the static file. Change it
    when strangers may open it."""
    title: Annotated[str, _LINE] = "Hotspare"
    """The name on top. Change it when people know the page by another one."""
    logo: Annotated[
        Path | None,
        Value(expected="the path of a picture", read=_read_picture, schema=_PATH, show=str),
        Key(default_text="none"),
    ] = None
    """A picture beside it."""
    links: Annotated[
        Mapping[str, str],
        Value(expected=_LINKS, read=_read_links, schema={"type": "object", "additionalProperties": {"type": "string"}}),
        Key(default_text="none"),
    ] = field(default_factory=dict)
    """Links on every page: `{Support: https://help.example}`."""
    notice: Annotated[str | None, _LINE, Key(default_text="none")] = None
    """A line above everything. Change it when something is planned."""
    static: Annotated[
        Path | None,
        Value(expected="the path of a folder", read=_read_folder, schema=_PATH, show=str),
        Key(default_text="none"),
    ] = None
    """A folder in which the service keeps the [static page](commands.md#page), at each change and every minute."""
    sign_in: SignInSettings | None = None

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """A sign-in needs the address to come back to."""
        if node.has("sign_in") and not node.child("sign_in").is_empty() and not node.has("url"):
            context.report(node.at("sign_in"), "needs ui.url, to which the provider sends people back")
