"""Regions: what each target, route and window of the file becomes."""

from pathlib import Path

from monitor.config.loader import load
from monitor.config.regions import routes_meant, targets_meant
from tests.support.configurations import ENVIRON

TEXT = """\
regions: [eu, us]
providers:
  openai:
    dialect: openai-chat
    api_key: ${OPENAI_API_KEY}
    models: {gpt: {}, gpt@2026: {regions: [us]}}
  anthropic:
    dialect: anthropic
    api_key: ${ANTHROPIC_API_KEY}
    regions: [us]
    models: {claude: {}, haiku: {regions: [us, eu]}}
routes:
  chat:
    candidates: [openai/gpt, anthropic/claude, anthropic/haiku]
    regions: {eu: [anthropic/haiku, openai/gpt]}
maintenance:
  nights: {of: anthropic/haiku, from: "02:00", to: "03:00"}
  here: {of: anthropic@us, from: "02:00", to: "03:00"}
  all: {of: openai, from: "02:00", to: "03:00"}
freeze:
  sale: {of: chat, from: "02:00", to: "03:00"}
  always: {of: all, from: "02:00", to: "03:00"}
drills:
  chat: {day: tuesday, at: "10:00"}
"""


def test_each_target_and_route_is_there_once_for_each_of_its_regions(tmp_path: Path) -> None:
    """With the candidates of that region, in its order; the regions come in the order of the file."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(TEXT, encoding="utf-8")
    settings = load(path, ENVIRON)
    assert [target.id for target in settings.targets] == [
        "openai/gpt@eu",
        "openai/gpt@us",
        "openai/gpt@2026@us",
        "anthropic/claude@us",
        "anthropic/haiku@eu",
        "anthropic/haiku@us",
    ]
    assert {route.name: route.candidates for route in settings.routes} == {
        "chat@eu": ("anthropic/haiku@eu", "openai/gpt@eu"),
        "chat@us": ("openai/gpt@us", "anthropic/claude@us", "anthropic/haiku@us"),
    }
    assert {(target.plain_name, target.monitored_from) for target in settings.targets[:2]} == {
        ("openai/gpt", "eu"),
        ("openai/gpt", "us"),
    }
    assert {(route.plain_name, route.region) for route in settings.routes} == {("chat", "eu"), ("chat", "us")}
    assert [(window.name, window.of) for window in settings.maintenance] == [
        ("nights", "anthropic/haiku@eu"),
        ("nights", "anthropic/haiku@us"),
        ("here", "anthropic/claude@us"),
        ("here", "anthropic/haiku@us"),
        ("all", "openai"),
    ]
    assert [window.of for window in settings.freeze] == ["chat@eu", "chat@us", "all"]
    assert [drill.route for drill in settings.drills] == ["chat@eu", "chat@us"]
    assert settings.warnings == ()


def test_a_name_of_one_region_stands_for_itself(tmp_path: Path) -> None:
    """So does every name where the file has no regions, also one with an @ of its own."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(TEXT.split("maintenance:", maxsplit=1)[0], encoding="utf-8")
    settings = load(path, ENVIRON)
    assert targets_meant("openai/gpt@us", settings.targets) == routes_meant("chat@us", settings.routes) == ()
    assert targets_meant("openai/gpt@2026", settings.targets) == ("openai/gpt@2026@us",)
    path.write_text(
        'providers: {openai: {dialect: openai-chat, api_key: "${OPENAI_API_KEY}", models: {gpt: {}, gpt@eu: {}}}}\n'
        "routes: {chat: {candidates: [openai/gpt, openai/gpt@eu]}}\n",
        encoding="utf-8",
    )
    settings = load(path, ENVIRON)
    assert [target.id for target in settings.targets] == ["openai/gpt", "openai/gpt@eu"]
    assert targets_meant("openai/gpt", settings.targets) == routes_meant("chat", settings.routes) == ()
