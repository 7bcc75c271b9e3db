"""The example and docs/configuration.md keep up with the loader: every key, every default, every promise."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.config.config_keys import KEYS
from monitor.config.document import Mapping, Node, Scalar, Sequence, parse
from monitor.config.loader import load
from monitor.settings import Settings
from tests.support.configurations import ENVIRON
from tests.support.paths import DATA, ROOT

EXAMPLE = (ROOT / "hotspare.example.yaml").read_text(encoding="utf-8")
DOCS = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
#: Keys that have no default and are only shown in comments.
_COMMENTED = "proxy|ca_bundle|usd_per_month|preset|region|signing|api_version|parameters|dimensions|price"
_COMMENTED += "|webhook_url|channels|mention|quiet_hours|app_token|allowed_users"
_COMMENTED += "|webhook_secret|apprise|heartbeat_url|heartbeat_every|digest"
COMPLETE = re.sub(rf"(?m)^(\s+)# (?=(?:{_COMMENTED}): )", r"\1", EXAMPLE).replace(": {}\n  ", ":\n  ")


def _keys() -> list[str]:
    """Every key that takes a value, as `KEYS` names it: `providers.*.dialect`."""
    keys = [f"{section}.{key}".lstrip(".") for section, keys in KEYS.items() for key in keys]
    return [key for key in keys if key not in KEYS and f"{key}.*" not in KEYS]


def _values(node: Node, pattern: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a tree with its key."""
    if isinstance(node, Mapping):
        if pattern and pattern not in KEYS and f"{pattern}.*" not in KEYS:
            yield pattern, "{…}"  # passed on as it is
        for key, value in node.entries:
            child = f"{pattern}.{key.text}".lstrip(".")
            yield from _values(value, f"{pattern}.*" if f"{pattern}.*" in KEYS else child)
    elif isinstance(node, Sequence):
        yield pattern, "[" + ", ".join(item.text for item in node.items if isinstance(item, Scalar)) + "]"
    elif isinstance(node, Scalar):
        yield pattern, node.text


def _complete() -> list[tuple[str, str]]:
    root = parse(COMPLETE).root
    assert root is not None
    return list(_values(root))


def _documented(key: str) -> str:
    """The default that the documentation gives for a key, named as it names it."""
    named = (
        key.replace("providers.*", "providers.NAME")
        .replace("routes.*", "routes.NAME")
        .replace("models.*", "models.MODEL")
    )
    rows = re.findall(rf"(?m)^\| `{re.escape(named)}`\s*\| (.*?)\s*\|", DOCS)
    assert len(rows) == 1, f"{named} has {len(rows)} rows in docs/configuration.md"
    return str(rows[0])


@pytest.mark.parametrize("key", _keys())
def test_every_key_is_in_the_example(key: str) -> None:
    """The example shows each key that the loader knows, at least in a comment."""
    assert key in dict(_complete())


@pytest.mark.parametrize("key", _keys())
def test_every_key_is_documented(key: str) -> None:
    """docs/configuration.md has one row for each key, with its default or that it is required."""
    assert _documented(key)


def test_documented_defaults_are_those_of_the_example() -> None:
    """A default in the documentation is the example's, and so (see below) the loader's."""
    example = dict(reversed(_complete()))
    plain = {key: code[1] for key in _keys() if (code := re.fullmatch(r"`(.*)`", _documented(key)))}
    assert len(plain) >= 20
    assert plain == {key: example[key] for key in plain}


def test_the_example_loads_and_holds_the_defaults() -> None:
    """Whatever the example says about a setting that has a default is that default."""
    environ = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GEMINI_API_KEY": "c", "SLACK_BOT_TOKEN": "d"}
    loaded = load(ROOT / "hotspare.example.yaml", environ)
    assert loaded.slack is not None
    plain_slack = type(loaded.slack)(token=loaded.slack.token, channel=loaded.slack.channel)
    assert loaded == Settings(
        path=loaded.path,
        targets=tuple(type(t)(provider=t.provider, model=t.model) for t in loaded.targets),
        routes=tuple(type(r)(name=r.name, candidates=r.candidates) for r in loaded.routes),
        slack=plain_slack,
    )
    assert [provider.api_key_env for provider in loaded.providers] == list(environ)[:3]


def test_the_base_urls_in_the_example_are_the_defaults(tmp_path: Path) -> None:
    """Without its base URLs the example means the same."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(re.sub(r"(?m)^ +base_url: .*\n", "", EXAMPLE), encoding="utf-8")
    environ = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GEMINI_API_KEY": "c", "SLACK_BOT_TOKEN": "d"}
    assert load(path, environ).providers == load(ROOT / "hotspare.example.yaml", environ).providers


def test_the_smallest_file_of_the_documentation_loads(tmp_path: Path) -> None:
    """The first block of docs/configuration.md can be copied as it is."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(DOCS.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    loaded = load(path, ENVIRON)
    assert loaded.warnings == ()
    assert len(loaded.targets) == 2


def test_quoted_messages_are_real() -> None:
    """Every message that docs/configuration.md explains is one that the loader gives."""
    real = "\n".join(path.read_text(encoding="utf-8") for path in (DATA / "configs").rglob("*.txt"))
    quoted = re.findall(r"(?m)^\| `([^`]+)` \|", DOCS.split("| message | usual cause |")[1])
    assert len(quoted) >= 6
    assert [part for message in quoted for part in message.split("…") if part.strip() not in real] == []
