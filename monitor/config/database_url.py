"""The URL of a database: which kind it names, and how it is shown, without its password (pure)."""

import re
from typing import Final
from urllib.parse import urlsplit

POSTGRES: Final = "postgresql+psycopg://"
EXPECTED: Final = "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
#: Up to the last `@`, as a password may hold some; where there is none, whatever is no port.
_PASSWORD: Final = re.compile(r"(?<=://)([^:/@?#]*):(?:.*@|(?!\d+(?:/|$)).*)", re.DOTALL)


def is_postgres(url: str) -> bool:
    """Whether it names a PostgreSQL database."""
    return url.startswith(POSTGRES)


def shown_url(url: str) -> str:
    """The URL with `***` for its password, and without options; that of a file is as it is."""
    if url.startswith("sqlite:"):
        return url
    return _PASSWORD.sub(r"\1:***@", url).partition("?")[0]


def name_in(url: str) -> str:
    """What people call the database: the file's name, or the name of the database."""
    return shown_url(url).rpartition("/")[2]


def postgres_problem(url: str) -> str | None:
    """What is wrong with a URL of PostgreSQL, as a predicate that shows nothing of it; None where nothing is."""
    expected = f"write {EXPECTED}"
    if not url.isprintable() or any(character.isspace() for character in url):
        return f"holds a blank or a control character; {expected}, with such characters as %20"
    if url.count("@") > 1 or "#" in url:
        return f"has a special character in its password; write '@' as %40, '/' as %2F, '#' as %23; {expected}"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return f"has no readable host and port; {expected}"
    if not parts.path.strip("/") or "/" in parts.path.strip("/"):
        return f"names no database; {expected}"
    if "password" in parts.query:
        return f"has its password among the options, where it would be shown; {expected}"
    return None
