"""The example and docs/configuration.md keep up with the schema: every key, every default, every promise."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.tools.reference import DocumentedKey, keys_of, write
from monitor.config.alert_settings import AlertSettings, SlackSettings
from monitor.config.document import Mapping, Node, Scalar, Sequence, parse
from monitor.config.loader import load
from monitor.config.settings import Settings
from tests.support.configurations import ENVIRON
from tests.support.paths import DATA, ROOT

EXAMPLE = (ROOT / "hotspare.example.yaml").read_text(encoding="utf-8")
DOCS = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
KEYS = {key.path: key for key in keys_of(Settings) if key.is_value and key.path != "providers.NAME.models"}
NAMED = {"providers", "routes", "maintenance", "freeze", "drills", "api.tokens", "providers.NAME.models.MODEL.checks"}
#: What is commented out in the example: keys without a default.
COMPLETE = re.sub(r"(?m)^(\s+)# (?=[a-z_]+: )", r"\1", EXAMPLE).replace(": {}\n  ", ":\n  ")


def _values(node: Node, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a tree with its key, as the documents name it."""
    path = path.replace("providers.NAME.models.MODEL.checks.", "defaults.checks.")  # where the others are documented
    if isinstance(node, Mapping):
        if path in KEYS:
            yield path, "{…}"  # passed on as it is
        for key, value in node.entries:
            name = {"providers.NAME.models": "MODEL"}.get(path, "NAME" if path in NAMED else key.text)
            yield from _values(value, f"{path}.{name}".lstrip("."))
    elif isinstance(node, Sequence):
        yield path, "[" + ", ".join(item.text for item in node.items if isinstance(item, Scalar)) + "]"
    elif isinstance(node, Scalar):
        yield path, node.text


def _complete() -> list[tuple[str, str]]:
    root = parse(COMPLETE, print)
    assert root is not None
    return list(_values(root))


@pytest.mark.parametrize("path", KEYS)
def test_every_key_is_in_the_example(path: str) -> None:
    """The example shows each key that the schema knows, at least in a comment."""
    assert path in dict(_complete())


@pytest.mark.parametrize("name", ["configuration.md", "simulation.md"])
def test_the_tables_are_those_of_the_schema(name: str) -> None:
    """`make reference` has nothing to write."""
    document = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert write(document) == document


@pytest.mark.parametrize("key", [key for key in KEYS.values() if not key.inherited], ids=lambda key: key.path)
def test_every_key_is_documented(key: DocumentedKey) -> None:
    """docs/configuration.md has one row for each key, which says what it does."""
    assert len(re.findall(rf"(?m)^\|`{re.escape(key.path)}`\|.+\|.+\|", DOCS)) == 1
    assert key.default
    assert key.meaning


def test_documented_defaults_are_those_of_the_example() -> None:
    """A default in the documentation is the example's, and so (see below) the loader's."""
    example = dict(reversed(_complete()))
    plain = {path: code[1] for path, key in KEYS.items() if (code := re.fullmatch(r"`(.*)`", key.default))}
    assert len(plain) >= 20
    shown = {path: example[path] for path in plain if path != "providers.NAME.signing"}
    assert shown == {path: plain[path] for path in shown}


def test_the_example_loads_and_holds_the_defaults() -> None:
    """Whatever the example says about a setting that has a default is that default."""
    environ = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GEMINI_API_KEY": "c", "SLACK_BOT_TOKEN": "d"}
    loaded = load(ROOT / "hotspare.example.yaml", environ)
    slack = loaded.alerts.slack
    assert slack is not None
    assert loaded == Settings(
        path=loaded.path,
        targets=tuple(type(t)(provider=t.provider, model=t.model) for t in loaded.targets),
        routes=tuple(type(r)(name=r.name, candidates=r.candidates) for r in loaded.routes),
        alerts=AlertSettings(slack=SlackSettings(token=slack.token, channel=slack.channel)),
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
