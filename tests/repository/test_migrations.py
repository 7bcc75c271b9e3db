"""The migrations follow one another, so that two made at the same time are noticed before they meet a database."""

import re

from monitor.storage.database import SCHEMA
from tests.support.paths import ROOT

_FOLDER = ROOT / "monitor" / "storage" / "migrations" / "versions"


def test_each_migration_has_the_next_number() -> None:
    """By the names of the files, by what they say, and by the schema that this version wants."""
    files = sorted(_FOLDER.glob("v*.py"))
    numbers = [f"{number:04}" for number in range(1, len(files) + 1)]
    assert [file.name[1:5] for file in files] == numbers
    for file, number in zip(files, numbers, strict=True):
        assert re.findall(r'^revision = "(\d+)"', file.read_text(), re.MULTILINE) == [number]
    assert numbers[-1] == SCHEMA
