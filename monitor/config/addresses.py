"""What is wrong with an http(s) address of the configuration."""

import re
from urllib.parse import urlsplit


def address_problem(value: str, *, userinfo: bool = False, secret: bool = False) -> str | None:
    """What is wrong with an http(s) address; one that is a `secret` may hold a query, where services put tokens."""
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        return "is not an address; write it like https://host/path"
    if any(character.isspace() or not character.isprintable() for character in value):
        return "holds a space or a control character; write an address like https://host/path"
    if url.scheme not in {"http", "https"} or not host:
        return "is not an http(s) address with a host; write it like https://host/path"
    if "@" in url.netloc and not userinfo:
        advice = "put a token into the path, as most services do" if secret else "keys go into headers only"
        return f"holds a user name or a password; {advice}"
    if secret:
        return "holds a fragment (#…), which is never sent; write the address without it" if url.fragment else None
    return "holds a query or a fragment; write the address without them" if "?" in value or "#" in value else None


def link_problem(value: str) -> str | None:
    """What is wrong with the http(s) address of a page that people are shown: it may hold a query and a fragment."""
    page = re.split("[?#]", value, maxsplit=1)[0]
    problem = address_problem(page, userinfo=True)
    if problem is None and "@" in urlsplit(page).netloc:
        return "holds a user name or a password, which everybody would see; write the address without it"
    return problem
