"""`hotspare compare` over real HTTP: what is printed, what is refused, and the exit status."""

import json
import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.cli.main import main
from monitor.storage.database import open_writer
from tests.support.scripted_provider import failed, prompt_of, said, scripted_provider

SET = "\n".join(
    json.dumps(question)
    for question in (
        {"name": "sum", "prompt": "1 + 1?", "expect": {"number": 2}},
        {"name": "word", "prompt": "say ok", "expect": {"exact": "ok"}},
        {"name": "json", "prompt": "JSON", "schema": {"type": "object"}},
    )
)
ANSWERS = {"1 + 1?": "2", "say ok": "ok", "JSON": "{}"}


@dataclass(slots=True)
class Vendor:
    """Answers by the model: `good` knows all, `bad` no sums, `locked` refuses the key."""

    forgets: bool = False
    """Whether `good` knows nothing any more."""

    def __call__(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """One reply, of a model that calls itself after its version."""
        status, body = self._answer(prompt_of(request), request["model"])
        return status, {**body, "model": "good-2" if self.forgets else "good-1"}

    def _answer(self, prompt: str, model: str) -> tuple[int, dict[str, Any]]:
        if model == "locked":
            return failed(401, "invalid_api_key", "Incorrect API key")
        if self.forgets and model == "good":
            return said("?")
        return said("3" if model == "bad" and prompt == "1 + 1?" else ANSWERS[prompt])


@pytest.fixture
def vendor() -> Vendor:
    """What the provider does."""
    return Vendor()


@pytest.fixture
def folder(tmp_path: Path, vendor: Vendor) -> Iterator[Path]:
    """A configuration with a route of each kind, and a golden set, beside a provider that runs."""
    with scripted_provider(vendor) as url:
        price = {"price": {"input": 1, "output": 10}}
        models = {"good": price, "bad": price, "locked": {}, "spare": {}}
        document = {
            "database": f"sqlite:///{tmp_path}/hotspare.db",
            "routing_file": f"{tmp_path}/routing.json",
            "providers": {"p": {"dialect": "openai-chat", "base_url": url, "api_key": "made-up-key", "models": models}},
            "routes": {
                "chat": {"candidates": ["p/good", "p/bad"]},
                "dead": {"candidates": ["p/good", "p/locked"]},
                "free": {"candidates": ["p/spare"]},
            },
            "connectivity": {"endpoints": []},
        }
        (tmp_path / "hotspare.yaml").write_text(json.dumps(document), encoding="utf-8")
        (tmp_path / "set.jsonl").write_text(SET, encoding="utf-8")
        yield tmp_path


def compare(folder: Path, *words: str) -> int:
    """Run it with the set."""
    return main(["compare", *words, "-c", f"{folder}/hotspare.yaml", "--set", f"{folder}/set.jsonl"])


def test_candidates_stand_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what they agree on, and what was wrong."""
    assert compare(folder, "chat", "--yes") == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == f"{folder}/set.jsonl: 3 questions"
    assert lines[1].split()[:5] == ["target", "right", "schema", "tools", "tokens"]
    assert lines[2].startswith("p/good  ")
    assert "3 of 3 (44 to 100 %)  1 of 1      –  100+10         0.20" in lines[2]
    assert " 2 of 3 (21 to 94 %)" in lines[3]
    assert lines[4:] == [
        "p/good and p/bad agree on 2 of 3; right 3 and 2 of 3",
        "p/bad, sum: expected the number 2, found '3'",
    ]
    uncounted = "warning: this run is not kept, and does not count against the budget: no database at"
    assert [line.startswith(uncounted) for line in printed.err.splitlines()] == [True]


@pytest.fixture
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database that a service has made."""
    open_writer(f"sqlite:///{folder}/hotspare.db").dispose()
    with closing(sqlite3.connect(folder / "hotspare.db")) as database:
        yield database


@pytest.mark.slow
def test_what_it_costs_counts_against_the_budget(
    folder: Path, database: sqlite3.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what costs money; a database that fails meanwhile is a warning."""
    for _ in range(2):
        compare(folder, "chat", "--also", "p/spare", "--yes")
    sums = "SELECT target, usd, probes FROM spending ORDER BY target"
    spent = [(target, round(usd, 6), probes) for target, usd, probes in database.execute(sums)]
    assert spent == [("compare: p/bad", 0.0012, 6), ("compare: p/good", 0.0012, 6)]
    assert capsys.readouterr().err == ""
    for table in ("spending", "comparisons"):
        trigger = f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        database.execute(trigger)
    assert compare(folder, "chat", "--yes") == 0
    warned = capsys.readouterr().err.splitlines()
    assert warned[0].startswith("warning: what this has cost does not count against the budget: ")
    assert warned[1].startswith("warning: this run is not kept: ")


def test_what_the_budget_does_not_pay_for_is_refused(
    folder: Path, database: sqlite3.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever people say: probing needs the money."""
    path = folder / "hotspare.yaml"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "budget": {"usd_per_month": 0.02}}), encoding="utf-8")
    assert compare(folder, "chat", "--yes") == 0
    assert compare(folder, "chat", "--yes", "--repeat", "2") == 2
    assert "$0.02 of this month's budget is left, and probing needs it" in capsys.readouterr().err
    assert database.execute("SELECT count(*) FROM comparisons").fetchone() == (1,)


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_a_model_that_has_become_another_is_found(
    folder: Path, vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is bad news, with then and now beside each other; the next run compares with the last."""
    assert compare(folder, "chat", "--yes", "--repeat", "5") == 0
    assert compare(folder, "chat", "--yes", "--repeat", "5") == 0
    assert (
        " UTC: right 15 then, now 15 of 15; then 100+10 tokens, $0.20 per 1,000, median 0." in capsys.readouterr().out
    )
    vendor.forgets = True
    assert compare(folder, "chat", "--yes", "--repeat", "5", "--json") == 1
    good, bad = json.loads(capsys.readouterr().out)["candidates"]
    assert (good["model"], good["change"]["now"], good["change"]["is_real"]) == ("good-2", {"count": 0, "of": 15}, True)
    assert [(run["model"], run["right"]["count"]) for run in good["past"]] == [("good-1", 15), ("good-1", 15)]
    assert (bad["change"]["p"], bad["change"]["is_real"]) == (1.0, False)
    vendor.forgets = False
    assert compare(folder, "chat", "--yes") == 0
    shown = capsys.readouterr().out
    assert "p/good since 20" in shown
    assert "UTC: right 0 then, now 3 of 3, within chance (p = 0.25); then 100+10 tokens" in shown
    assert ", called good-2" in shown


def test_one_document_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, seconds, dollars, and every answer."""
    assert compare(folder, "chat", "--also", "p/spare", "--repeat", "2", "--yes", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["route"], document["questions"], document["repeat"]) == ("chat", 3, 2)
    good, bad, spare = document["candidates"]
    assert (good["target"], good["right"]["count"], good["right"]["of"]) == ("p/good", 6, 6)
    assert good["cost_usd"] == pytest.approx(6 * 0.0002)
    assert (spare["target"], spare["cost_usd"]) == ("p/spare", None)
    wrong = [answer for answer in bad["answers"] if answer["verdict"] == "wrong"]
    assert [(each["question"], each["answer"], each["outcome"]) for each in wrong] == [("sum", "3", "ok")] * 2
    right = {"counts": [6, 4], "of": 6, "p": 0.5, "is_real": False}
    assert document["agreement"][0] == {"targets": ["p/good", "p/bad"], "count": 4, "of": 6, "right": right}


@pytest.mark.parametrize(("least", "status"), [("60%", 0), ("90%", 1)])
def test_scripts_may_demand_a_share(folder: Path, least: str, status: int) -> None:
    """Of every candidate."""
    assert compare(folder, "chat", "--yes", "--at-least", least) == status


def test_a_refused_key_is_bad_news(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are compared all the same."""
    assert compare(folder, "dead", "--yes") == 1
    out = capsys.readouterr().out
    assert "p/locked: 3 without an answer: auth: the key in the configuration was refused" in out
    assert "3 of 3 (44 to 100 %)" in out


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        (["chat"], "nothing was asked: 3 questions to 2 candidates may cost up to about $0.02; say --yes"),
        (["nope", "--yes"], "'nope' is not a route; there are: chat, dead, free"),
        (["chat", "--also", "p/x", "--yes"], "'p/x' is no target of"),
    ],
)
def test_what_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said_: str) -> None:
    """Before anything is asked: with a sentence, and 2."""
    assert compare(folder, *words) == 2
    assert said_ in capsys.readouterr().err


def test_a_broken_line_of_a_set_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its number."""
    (folder / "set.jsonl").write_text(SET.replace('"say ok",', '"say ok"'), encoding="utf-8")
    assert compare(folder, "chat", "--yes") == 2
    assert f"{folder}/set.jsonl:2: is not JSON" in capsys.readouterr().err


def test_what_is_free_needs_no_consent(folder: Path) -> None:
    """A model on this machine without a price costs nothing."""
    assert compare(folder, "free") == 0


@pytest.mark.parametrize("words", [["--at-least", "101%"], ["--at-least", "0.9"], ["--repeat", "0"]])
def test_wrong_numbers_are_refused(folder: Path, words: list[str]) -> None:
    """By the parser."""
    with pytest.raises(SystemExit) as stopped:
        compare(folder, "chat", *words)
    assert stopped.value.code == 2


@pytest.mark.slow
@pytest.mark.parametrize(("reply", "status"), [(b"y\n", 0), (b"n\n", 2), (b"\n", 2)])
def test_a_person_is_asked_first(folder: Path, reply: bytes, status: int) -> None:
    """On a terminal, with what it may cost; progress is shown there."""
    ours, theirs = pty.openpty()
    words = ["compare", "chat", "-c", f"{folder}/hotspare.yaml", "--set", f"{folder}/set.jsonl"]
    command = [sys.executable, "-m", "controller.cli.main", *words]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, reply)
        out = process.stdout.read() if process.stdout else b""
        assert process.wait(30) == status
    os.close(ours)
    assert b"3 questions to 2 candidates may cost up to about $0.02. Ask? [y/N] " in shown
    assert (b"p/good" in out) is (status == 0)
