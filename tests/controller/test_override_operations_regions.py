"""The operator's commands with regions: a name without one means all that have it."""

from pathlib import Path

import pytest

from monitor.config.loader import load
from tests.controller.test_override_operations import CommandLine

REGIONS = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
regions: [eu, us]
providers:
  openai: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: "${{KEY}}", models: {{a: {{}}}}}}
  other:
    dialect: openai-chat
    base_url: "http://127.0.0.1:1/v1"
    api_key: "${{KEY}}"
    models: {{b: {{}}, c: {{regions: [us]}}}}
routes: {{chat: {{candidates: [openai/a, other/b, other/c]}}}}
"""


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """An operator of two regions, whose database knows no service."""
    line = CommandLine(tmp_path, capsys)
    line.config.write_text(REGIONS.format(folder=tmp_path))
    line.settings = load(line.config, {}, keys=False)
    line.had_service()
    return line


@pytest.mark.parametrize(
    ("words", "laid"),
    [
        (["pin", "chat", "other/b"], {"chat@eu": "other/b@eu", "chat@us": "other/b@us"}),
        (["pin", "chat@us", "other/c"], {"chat@us": "other/c@us"}),
        (["pin", "chat", "other/b@eu"], {"chat@eu": "other/b@eu"}),
        (["pause", "chat"], {"chat@eu": None, "chat@us": None}),
        (["pause", "all"], {"all": None}),
        (["drain", "openai/a"], {"openai/a@eu": None, "openai/a@us": None}),
        (["drain", "other@us"], {"other/b@us": None, "other/c@us": None}),
        (["maintain", "other/c@us"], {"other/c@us": None}),
        (["drain", "openai"], {"openai": None}),
    ],
)
def test_what_a_name_means(operator: CommandLine, words: list[str], laid: dict[str, str | None]) -> None:
    """Each is an override of its own, and the same name ends them."""
    done = operator.do(*words)
    assert (done.status, done.err) == (0, "")
    assert {override.subject: override.target for override in operator.in_force()} == laid
    end = {"pause": "resume"}.get(words[0], f"un{words[0]}")
    ended = operator.do(end, words[1])
    assert (ended.status, operator.in_force()) == (0, [])
    assert len(ended.out.splitlines()) == len(laid) + 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pin", "chat", "other/c"], "'other/c' is not a candidate of chat@eu; did you mean 'other/b@eu'?"),
        (["pin", "chat@ap", "other/b"], "'chat@ap' is not a route; did you mean 'chat'?"),
        (["drain", "other/c@eu"], "'other/c@eu' is not a target or a provider; did you mean 'other/c@us'?"),
    ],
)
def test_all_or_nothing(operator: CommandLine, words: list[str], said: str) -> None:
    """What is not there in one of the regions is refused for all of them."""
    done = operator.do(*words)
    assert (done.status, done.out, done.err) == (2, "", said)
    assert operator.in_force() == []
