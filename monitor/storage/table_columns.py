"""What the tables are made of: kinds of columns, and how rows lie in the file."""

from functools import partial
from typing import Any, ClassVar

from sqlalchemy import INTEGER, REAL, TEXT, Column, text
from sqlmodel import Field, SQLModel


def column(kind: Any, *, key: bool = False, null: bool = False, index: bool = False, default: Any = None) -> Any:
    """A column of this kind; not null unless `null` says so."""
    return Field(sa_column=Column(kind, primary_key=key, nullable=null, index=index, server_default=default))


text_column = partial(column, TEXT)
integer_column = partial(column, INTEGER)
real_column = partial(column, REAL)
#: An integer that starts at 0, in older rows too.
counter_column = partial(column, INTEGER, default=text("0"))


def serial_column() -> Any:
    """A key that counts up."""
    return Field(default=None, sa_column=Column(INTEGER, primary_key=True, autoincrement=True))


class StrictTable(SQLModel):
    """Rows lie in the order in which they came."""

    __table_args__: ClassVar[dict[str, Any]] = {"sqlite_strict": True}


class KeyedTable(SQLModel):
    """Rows lie in the order of their key."""

    __table_args__: ClassVar[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}
