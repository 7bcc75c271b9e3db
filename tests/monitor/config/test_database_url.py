"""A URL says which kind of database it names, and is shown without its password."""

import pytest

from monitor.config.database_url import is_postgres, name_in, postgres_problem, shown_url

PLAIN = "postgresql+psycopg://me:p%40ss@db:5433/hotspare?sslmode=require"


@pytest.mark.parametrize(
    ("url", "shown", "name"),
    [
        (PLAIN, "postgresql+psycopg://me:***@db:5433/hotspare", "hotspare"),
        ("postgresql+psycopg://me:p@s/s?@db/x", "postgresql+psycopg://me:***@db/x", "x"),
        ("postgresql+psycopg://me:p/ss", "postgresql+psycopg://me:***@", "me:***@"),
        ("postgresql+psycopg://db:5433/x", "postgresql+psycopg://db:5433/x", "x"),
        ("postgresql+psycopg://db/x", "postgresql+psycopg://db/x", "x"),
        ("sqlite:///var/a b?c.db", "sqlite:///var/a b?c.db", "a b?c.db"),
    ],
)
def test_no_password_is_shown(url: str, shown: str, name: str) -> None:
    """Nor options; a file is shown as it is."""
    assert (shown_url(url), name_in(url)) == (shown, name)


def test_kinds_and_problems() -> None:
    """What is wrong shows nothing of the URL."""
    assert is_postgres(PLAIN)
    assert not is_postgres("postgresql://db/x")
    assert not is_postgres("sqlite:///x")
    assert postgres_problem(PLAIN) is None
    assert "geheim" not in str(postgres_problem("postgresql+psycopg://me:geheim@@db/x"))
