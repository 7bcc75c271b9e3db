"""What the tables are made of: kinds of columns, and how rows lie in the file."""

from functools import partial
from typing import Any, ClassVar, Final

from sqlalchemy import INTEGER, REAL, TEXT, BigInteger, Column, Double, text
from sqlmodel import Field, SQLModel

#: Each the same on both databases: 64 bits wide, and text in the order of its bytes.
_INTEGER: Final = BigInteger().with_variant(INTEGER(), "sqlite")
_REAL: Final[Double[float]] = Double().with_variant(REAL(), "sqlite")
_TEXT: Final = TEXT().with_variant(TEXT(collation="C"), "postgresql")


def column(
    kind: Any, *, key: bool = False, null: bool = False, index: bool = False, default: Any = None, name: str = ""
) -> Any:
    """A column of this kind, named like its field unless `name` says otherwise; not null unless `null` says so."""
    named = (name,) if name else ()
    return Field(sa_column=Column(*named, kind, primary_key=key, nullable=null, index=index, server_default=default))


text_column = partial(column, _TEXT)
integer_column = partial(column, _INTEGER)
real_column = partial(column, _REAL)
#: An integer that starts at 0, in older rows too.
counter_column = partial(column, _INTEGER, default=text("0"))


def serial_column() -> Any:
    """A key that counts up."""
    return Field(default=None, sa_column=Column(_INTEGER, primary_key=True, autoincrement=True))


class StrictTable(SQLModel):
    """Rows lie in the order in which they came."""

    __table_args__: ClassVar[dict[str, Any]] = {"sqlite_strict": True}


class KeyedTable(SQLModel):
    """In SQLite, rows lie in the order of their key."""

    __table_args__: ClassVar[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}
