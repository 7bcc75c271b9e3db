"""The cases that the Python and the JavaScript client must both pass: `tests/data/clients/`."""

import json
import os
from pathlib import Path
from typing import Any

from tests.support.paths import DATA

GOLDEN = DATA / "clients" / "routing.json"

Case = dict[str, Any]


def load_cases(name: str) -> list[Case]:
    """The cases of one table."""
    cases: list[Case] = json.loads((DATA / "clients" / f"{name}.json").read_text())
    return cases


def name_of(case: object) -> str:
    """As the test's id."""
    return str(case["name"]) if isinstance(case, dict) else ""


def change_golden(changes: list[tuple[list[str], Any]]) -> str:
    """The golden routing file with other values at some places."""
    table = json.loads(GOLDEN.read_text())
    for place, value in changes:
        below = table
        for key in place[:-1]:
            below = below[key]
        below[place[-1]] = value
    return json.dumps(table)


def put_file(path: Path, file: Case) -> None:
    """Put what a case describes in the place of a routing file that is there."""
    if "is" in file:
        _put_other(path, file["is"])
    elif "size" in file:
        os.truncate(path, file["size"])
    else:
        path.write_bytes(_content(file))


def _put_other(path: Path, what: str) -> None:
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what.startswith("link"):
        path.symlink_to(path if what == "link to itself" else "nowhere")
    elif what == "inside a file":
        path.parent.rmdir()
        path.parent.write_text("")


def _content(file: Case) -> bytes:
    if "hex" in file:
        return bytes.fromhex(file["hex"])
    if "first" in file:
        return GOLDEN.read_bytes()[: file["first"]]
    if "set" in file:
        return change_golden([file["set"]]).encode()
    if "delete" in file:
        table = json.loads(GOLDEN.read_text())
        below = table
        for key in file["delete"][:-1]:
            below = below[key]
        del below[file["delete"][-1]]
        return json.dumps(table).encode()
    if "replace" in file:
        return GOLDEN.read_text().replace(*file["replace"]).encode()
    return f"{file.get('text', '')}{file.get('then', '') * file.get('times', 0)}{file.get('end', '')}".encode()


def read_ended(case: Case) -> list[tuple[Any, ...]]:
    """The requests of a case of reports: `{"times": …, "ended": …}` is several, `{n}` in it the number of each."""
    every: list[tuple[Any, ...]] = []
    for each in case["ended"]:
        numbers, values = (range(each["times"]), each["ended"]) if isinstance(each, dict) else (range(1), each)
        every.extend(tuple(_written(value, number) for value in values) for number in numbers)
    return every


def _written(value: Any, number: int) -> Any:
    """A value of a request: a text or a number that would be long, or that JSON has not, is described."""
    match value:
        case str():
            return value.replace("{n}", str(number))
        case {"number": text}:
            return float(text)
        case {"first": first, "factor": factor}:
            return first * factor**number
        case {"then": text, "times": times}:
            return value.get("text", "") + text * (number if times == "n" else times)
    return value
