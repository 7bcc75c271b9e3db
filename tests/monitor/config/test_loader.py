"""The loader: each rule with its own broken file and exact message, secrets that stay secret, and hostile files."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitor.config.controller_settings import ControllerSettings, Failback
from monitor.config.loader import load
from monitor.config.settings import NetworkSettings, Settings
from monitor.health import Health
from probes.custom_check import CustomCheck
from probes.target import Check, Price, Secret, Timeouts
from tests.support.configurations import ENVIRON, problems_of, write
from tests.support.paths import DATA

CONFIGS = DATA / "configs"


def _rules(folder: Path) -> list[Any]:
    return [pytest.param(path, id=path.stem.replace("-", " ")) for path in sorted(folder.glob("*.yaml"))]


@pytest.mark.slow
@pytest.mark.parametrize("path", _rules(CONFIGS))
def test_each_mistake_has_its_message(
    path: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    """A file that breaks one rule is refused with exactly the message beside it."""
    monkeypatch.chdir(CONFIGS)
    golden(path.with_suffix(".txt"), "\n".join(problems_of(Path(path.name))))


@pytest.mark.slow
@pytest.mark.parametrize("path", _rules(CONFIGS / "warned"))
def test_each_warning_has_its_message(
    path: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    """A file that is only doubtful loads, with exactly the warnings beside it."""
    monkeypatch.chdir(path.parent)
    golden(path.with_suffix(".txt"), "\n".join(load(Path(path.name), ENVIRON).warnings))


def test_many_mistakes_come_in_the_order_of_the_file() -> None:
    """All mistakes are reported at once, by line."""
    lines = [int(problem.split(":")[1].split()[0]) for problem in problems_of(CONFIGS / "many-mistakes.yaml")]
    assert len(lines) >= 15
    assert lines == sorted(lines)


def test_every_message_has_its_file() -> None:
    """No expectation lies about without the file that it is about."""
    for path in CONFIGS.rglob("*.txt"):
        assert path.with_suffix(".yaml").is_file()


# What is read.


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    """The smallest file gives the defaults of monitor/config/settings.py."""
    loaded = load(write(tmp_path), ENVIRON)
    (target,) = loaded.targets
    plain = Settings(path=loaded.path, targets=loaded.targets, routes=loaded.routes, warnings=loaded.warnings)
    assert loaded == plain
    assert target.provider.base_url == "https://api.openai.com/v1"
    assert (target.interval_s, target.timeouts, target.slow_s, target.checks) == (30.0, Timeouts(), 10.0, (Check.CHAT,))
    assert loaded.routes[0].fail_over_on == {Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED}


def test_every_setting_is_read(tmp_path: Path) -> None:
    """Each key ends up in its setting, in the setting's unit."""
    bundle = tmp_path / "company.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    path = write(
        tmp_path,
        database="sqlite:////var/lib/one.db",
        routing_file="/srv/two.json",
        routes={"chat": {"candidates": ["openai/gpt-6-luna"], "fail_over_on": ["degraded", "down"]}},
        controller={
            "detect": "20%",
            "false_failovers": "2 per 1d",
            "min_outage": "0s",
            "dwell": "500ms",
            "failback": {"mode": "steps", "hold": "2m", "steps": ["7%", "12.5%", "100%"], "step": "90s"},
            "blips": {"per_day": 2.5, "length": ["1s", "2s"], "failure_rate": "50%"},
            "dry_run": True,
        },
        alerts={"slack": {"token": "${SLACK_BOT_TOKEN}", "channel": "#ops", "api_url": "http://127.0.0.1:9/api"}},
        connectivity={"endpoints": []},
        network={"proxy": "http://me:${OTHER_SECRET}@proxy:3128", "ca_bundle": str(bundle)},
        retention={"raw": "3d"},
        budget={"usd_per_month": 5},
    )
    loaded = load(path, ENVIRON)
    assert (loaded.database, loaded.routing_file) == ("sqlite:////var/lib/one.db", Path("/srv/two.json"))
    assert loaded.routes[0].fail_over_on == {Health.DEGRADED, Health.DOWN}
    controller = loaded.controller
    assert (controller.detect, controller.false_failovers_per_day) == (0.2, 2.0)
    assert (controller.min_outage_s, controller.dwell_s, controller.failback.hold_s) == (0.0, 0.5, 120.0)
    assert controller.failback == Failback(mode="steps", hold_s=120.0, steps=(0.07, 0.125, 1.0), step_s=90.0)
    assert controller.dry_run
    blips = controller.blips
    assert (blips.per_day, blips.shortest_s, blips.longest_s, blips.failure_rate) == (2.5, 1.0, 2.0, 0.5)
    assert loaded.alerts.slack is not None
    assert loaded.alerts.slack.token == Secret("xoxb-0123456789")
    assert (loaded.alerts.slack.channel, loaded.alerts.slack.api_url) == ("#ops", "http://127.0.0.1:9/api/")
    assert loaded.connectivity.endpoints == ()
    assert loaded.network == NetworkSettings(proxy="http://me:correct-horse-battery@proxy:3128", ca_bundle=bundle)
    assert (loaded.retention.raw_s, loaded.budget.usd_per_month) == (3 * 86400.0, 5.0)


def test_a_model_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    """Defaults reach every model; what a model says itself wins; deadlines give way to a shorter total."""
    models: dict[str, Any] = {
        "plain": None,
        "own": {"interval": "60s", "slow": "4s", "timeout": {"total": "5s"}, "checks": ["stream", "chat"]},
    }
    provider = {"dialect": "anthropic", "api_key": "${ANTHROPIC_API_KEY}", "models": models}
    defaults = {"interval": "40s", "slow": "8s", "timeout": {"first_token": "12s", "total": "20s"}}
    routes = {"chat": {"candidates": ["a/plain", "a/own"]}}
    plain, own = load(write(tmp_path, defaults=defaults, providers={"a": provider}, routes=routes), ENVIRON).targets
    assert (plain.interval_s, plain.slow_s) == (40.0, 8.0)
    assert plain.timeouts == Timeouts(connect_s=5.0, first_token_s=12.0, total_s=20.0)
    assert (own.interval_s, own.slow_s, own.checks) == (60.0, 4.0, (Check.STREAM, Check.CHAT))
    assert own.timeouts == Timeouts(connect_s=5.0, first_token_s=5.0, total_s=5.0)


def test_a_model_is_asked_in_its_own_way(tmp_path: Path) -> None:
    """Weights become turns; parameters are passed on with their types, variables expanded, and null kept."""
    parameters = {
        "reasoning_effort": "low",
        "max_completion_tokens": None,
        "max_tokens": 200,
        "top_p": 0.5,
        "store": False,
        "thinking": {"type": "${OTHER_SECRET}"},
        "stop": ["a", 1],
    }
    model = {"checks": {"chat": 3, "embedding": 1}, "parameters": parameters, "dimensions": 256, "context": 8000}
    provider = {"dialect": "openai-chat", "api_key": "${OPENAI_API_KEY}", "models": {"gpt-6-luna": model}}
    (target,) = load(write(tmp_path, providers={"openai": provider}), ENVIRON).targets
    assert target.checks == (Check.CHAT, Check.CHAT, Check.EMBEDDING, Check.CHAT)
    assert target.questions == (Check.CHAT, Check.EMBEDDING)
    assert target.parameters == parameters | {"thinking": {"type": "correct-horse-battery"}}
    assert (target.dimensions, target.context) == (256, 8000)


def test_checks_of_ones_own_take_turns_with_the_others(tmp_path: Path) -> None:
    """As often as they weigh; a model with checks of its own replaces those of the defaults."""
    expect = {"contains": 4, "regex": "^[0-9]$", "json_schema": {"const": 4}}
    mine = {"prompt": "2+2?", "expect": expect, "max_tokens": 9}
    provider = {"dialect": "openai-chat", "api_key": "k", "models": {"gpt-6-luna": {}, "b": {"checks": ["chat"]}}}
    path = write(tmp_path, defaults={"checks": {"chat": 2, "mine": mine}}, providers={"openai": provider})
    heir, own = load(path, ENVIRON).targets
    asked = CustomCheck(prompt="2+2?", contains="4", regex="^[0-9]$", json_schema={"const": 4}, max_tokens=9)
    assert (heir.checks, heir.custom_checks) == (("chat", "mine", "chat"), {"mine": asked})
    assert (own.checks, own.custom_checks) == (("chat",), {})


def test_a_preset_needs_nothing_but_the_key(tmp_path: Path) -> None:
    """Its dialect and address are known; a server of one's own needs not even the key; an address may be another."""
    models: dict[str, Any] = {"m": {}}
    providers = {
        "fast": {"preset": "groq", "api_key": "${OPENAI_API_KEY}", "models": models},
        "own": {"preset": "ollama", "models": models},
        "far": {"preset": "ollama", "base_url": "http://gpu:11434/v1", "models": models},
    }
    routes = {"chat": {"candidates": ["fast/m", "own/m", "far/m"]}}
    fast, own, far = load(write(tmp_path, providers=providers, routes=routes), ENVIRON).providers
    assert (fast.dialect, fast.preset, fast.base_url) == ("openai-chat", "groq", "https://api.groq.com/openai/v1")
    assert (own.base_url, own.api_key, own.api_key_env) == ("http://127.0.0.1:11434/v1", Secret(""), None)
    assert far.base_url == "http://gpu:11434/v1"


def test_the_clouds_have_addresses_of_ones_own(tmp_path: Path) -> None:
    """Bedrock's follows from the region, with a key or with signatures; Azure's is given, with a version if need be."""
    models: dict[str, Any] = {"m": {}}
    providers = {
        "keyed": {"dialect": "bedrock", "region": "eu-west-1", "api_key": "${OPENAI_API_KEY}", "models": models},
        "signed": {"dialect": "bedrock", "region": "us-east-1", "signing": True, "models": models},
        "azure": {
            "dialect": "azure-openai",
            "base_url": "https://mine.openai.azure.com/",
            "api_version": "2024-10-21",
            "api_key": "${OPENAI_API_KEY}",
            "models": models,
        },
    }
    routes = {"chat": {"candidates": [f"{name}/m" for name in providers]}}
    keyed, signed, azure = load(write(tmp_path, providers=providers, routes=routes), ENVIRON).providers
    assert (keyed.base_url, keyed.signing) == ("https://bedrock-runtime.eu-west-1.amazonaws.com", False)
    assert (signed.base_url, signed.signing) == ("https://bedrock-runtime.us-east-1.amazonaws.com", True)
    assert (signed.api_key, signed.api_key_env, signed.region) == (Secret(""), None, "us-east-1")
    assert (azure.base_url, azure.api_version) == ("https://mine.openai.azure.com", "2024-10-21")


def test_a_model_may_hold_slashes_and_colons(tmp_path: Path) -> None:
    """The id ends the provider's name at the first slash, whatever the model is called."""
    models: dict[str, Any] = {"openai/gpt-oss-20b": {}, "meta:llama/4:free": {}, "4.1": {}}
    provider = {"dialect": "openai-chat", "api_key": "${OPENAI_API_KEY}", "models": models}
    routes = {"chat": {"candidates": ["groq/openai/gpt-oss-20b", "groq/meta:llama/4:free", "groq/4.1"]}}
    loaded = load(write(tmp_path, providers={"groq": provider}, routes=routes), ENVIRON)
    assert [(target.provider.name, target.model) for target in loaded.targets] == [("groq", model) for model in models]


def test_empty_sections_are_like_absent_ones(tmp_path: Path) -> None:
    """A section whose keys are all commented out changes nothing."""
    names = ("defaults", "controller", "alerts", "connectivity", "network", "retention", "budget")
    assert load(write(tmp_path, **dict.fromkeys(names)), ENVIRON).controller == ControllerSettings()


# Variables and keys.


@pytest.mark.parametrize(
    ("written", "key", "variable"),
    [
        pytest.param("${OPENAI_API_KEY}", "sk-openai-0123456789", "OPENAI_API_KEY", id="a variable keeps its name"),
        pytest.param("x-${OPENAI_API_KEY}", "x-sk-openai-0123456789", None, id="part of a key is no name"),
        pytest.param("literal", "literal", None, id="a literal key has no name"),
        pytest.param("a$${NAME}", "a${NAME}", None, id="a doubled dollar is a dollar"),
        pytest.param("a$b", "a$b", None, id="a dollar alone is a dollar"),
    ],
)
def test_keys_and_the_names_of_their_variables(tmp_path: Path, written: str, key: str, variable: str | None) -> None:
    """The key is what the variables make of it; its name is kept only where it is exactly a variable."""
    provider = {"dialect": "openai-chat", "api_key": written, "models": {"gpt-6-luna": {}}}
    loaded = load(write(tmp_path, providers={"openai": provider}), ENVIRON)
    assert loaded.targets[0].provider.api_key.reveal() == key
    assert loaded.targets[0].provider.api_key_env == variable
    assert any("is in the file itself" in warning for warning in loaded.warnings) == (
        "${OPENAI_API_KEY}" not in written
    )


def test_variables_need_no_quotes_inside_braces(tmp_path: Path) -> None:
    """`{token: ${NAME}, …}` is natural to write, although bare braces end a word there."""
    path = write(tmp_path)
    rest = json.loads(path.read_text(encoding="utf-8"))
    slack = 'alerts: {slack: {token: ${SLACK_BOT_TOKEN}, channel: "#${CHANNEL}"}}'
    lines = [slack, *(f"{name}: {json.dumps(value)}" for name, value in rest.items())]
    path.write_text("\n".join(lines), encoding="utf-8")
    loaded = load(path, {**ENVIRON, "CHANNEL": "ops"}).alerts.slack
    assert loaded is not None
    assert (loaded.token.reveal(), loaded.channel) == ("xoxb-0123456789", "#ops")


@pytest.mark.parametrize("held", ["a # b", '"', "'", "x: y", "[1]", "*a", "{", "${HOME}", "line\nline"])
def test_what_a_variable_holds_cannot_change_the_file(tmp_path: Path, held: str) -> None:
    """A variable stays one value, whatever YAML would make of its text, and is not expanded again."""
    slack = {"token": "${SLACK_BOT_TOKEN}", "channel": "${CHANNEL}"}
    loaded = load(write(tmp_path, alerts={"slack": slack}), {**ENVIRON, "CHANNEL": held}).alerts.slack
    assert loaded is not None
    assert loaded.channel == held


def test_variables_may_hold_any_kind_of_value(tmp_path: Path) -> None:
    """Durations, numbers and switches may come from the environment, too."""
    environ = {**ENVIRON, "DRY": "false", "USD": "5", "DWELL": "10s"}
    path = write(tmp_path, controller={"dry_run": "${DRY}", "dwell": "${DWELL}"}, budget={"usd_per_month": "${USD}"})
    loaded = load(path, environ)
    assert (loaded.controller.dwell_s, loaded.budget.usd_per_month) == (10.0, 5.0)


def test_loading_does_not_import_what_is_slow() -> None:
    """Reading a configuration takes pydantic and YAML; what stores, asks and draws is imported by who needs it."""
    code = "import sys, monitor.config.loader; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.replace("'", "").strip("[]\n").split(", "))
    assert "yaml" in loaded
    assert not loaded & {"sqlmodel", "sqlalchemy", "httpx", "streamlit", "genai_prices"}


def test_a_model_has_a_price_of_its_own(tmp_path: Path) -> None:
    """In dollars per million tokens; nothing is a price as well, and what is left out is left to the list."""
    models = {
        "dear": {"price": {"input": 1.5, "output": "${OUTPUT_USD}", "cached": 0.1}},
        "free": {"price": {"input": 0, "output": 0}},
        "listed": {"price": {}},
        "plain": {},
    }
    provider = {"dialect": "openai-chat", "api_key": "${OPENAI_API_KEY}", "models": models}
    path = write(tmp_path, providers={"openai": provider}, routes={"chat": {"candidates": ["openai/dear"]}})
    loaded = load(path, ENVIRON | {"OUTPUT_USD": "6"})
    assert [target.price for target in loaded.targets] == [
        Price(input_usd=1.5, output_usd=6.0, cached_usd=0.1),
        Price(input_usd=0.0, output_usd=0.0),
        None,
        None,
    ]
