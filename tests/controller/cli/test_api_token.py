"""`hotspare token`: what it prints lets its holder in, and nobody else."""

import json
from pathlib import Path

import pytest

from controller.api.access import AccessRules, AskedBy
from controller.cli.main import main
from monitor.config.loader import load
from tests.support.configurations import ENVIRON, write


def test_what_it_prints_lets_its_holder_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration holds the hash; each call makes another token."""
    made = []
    for _ in range(2):
        assert main(["token", "ana", "--scope", "operate", "--json"]) == 0
        made.append(json.loads(capsys.readouterr().out))
    assert made[0]["token"] != made[1]["token"]
    tokens = {"ana": {"hash": made[0]["hash"], "scope": made[0]["scope"]}}
    rules = AccessRules(load(write(tmp_path, api={"tokens": tokens}), ENVIRON).api, is_public=False)
    who = rules.identify({"authorization": f"Bearer {made[0]['token']}"})
    assert who == AskedBy(name="ana", scope="operate")
    assert not isinstance(rules.identify({"authorization": f"Bearer {made[1]['token']}"}), AskedBy)


@pytest.mark.parametrize("name", ["", "bad name!", "a\nb: {}", "- {", "x" * 3000 + "!"])
def test_a_name_that_the_configuration_refuses_gets_no_token(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody pastes it."""
    with pytest.raises(SystemExit) as ended:
        main(["token", "--", name])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert "cannot name a token; expected lower-case letters" in " ".join(said.err.split())


def test_people_are_shown_the_lines_to_add(capsys: pytest.CaptureFixture[str]) -> None:
    """Ready to be pasted."""
    assert main(["token", "grafana"]) == 0
    printed = capsys.readouterr().out
    assert "\n  tokens:\n    grafana: {hash: sha256:" in printed
