"""The routing table for other routers."""

import json
import subprocess
from pathlib import Path

import pytest

from controller.cli.main import main
from controller.routing.export import env_lines, litellm_document

TARGETS = {
    "openai/gpt-6-luna": {
        "provider": "openai",
        "model": "gpt-6-luna",
        "dialect": "openai-chat",
        "base_url": "https://api.openai.com/v1",
        "api_key_env": "OPENAI_API_KEY",
        "health": "down",
    },
    "gemini/flash": {
        "provider": "gemini",
        "model": "flash",
        "dialect": "gemini",
        "base_url": "https://generativelanguage.googleapis.com",
        "api_key_env": "GEMINI_API_KEY",
        "health": "up",
    },
    "anthropic/haiku": {
        "provider": "anthropic",
        "model": "haiku; rm -rf /",
        "dialect": "anthropic",
        "base_url": "https://api.anthropic.com",
        "api_key_env": None,
        "health": "up",
    },
}
TABLE = {
    "format": "hotspare.routing/1",
    "routes": {"chat-a": {"target": "anthropic/haiku", "candidates": list(TARGETS)}},
    "targets": TARGETS,
}


def test_litellm_asks_the_present_target_first_and_those_that_fail_last() -> None:
    """In its words: a model name for the route, the order, the key by its variable."""
    listed = [each["litellm_params"] for each in litellm_document(TABLE)["model_list"]]
    assert [each["order"] for each in listed] == [1, 2, 3]
    assert [each["model"].partition("/")[0] for each in listed] == ["anthropic", "gemini", "openai"]
    assert listed[2] == {
        "model": "openai/gpt-6-luna",
        "api_base": "https://api.openai.com/v1",
        "api_key": "os.environ/OPENAI_API_KEY",
        "order": 3,
    }
    assert "api_key" not in listed[0]


def test_a_shell_reads_the_variables_and_runs_nothing() -> None:
    """Whatever a model is called."""
    script = "\n".join([*env_lines(TABLE), 'printf "%s|%s" "$HOTSPARE_CHAT_A_MODEL" "$HOTSPARE_CHAT_A_API_KEY_ENV"'])
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, text=True).stdout == (
        "haiku; rm -rf /|"
    )


def test_the_command_reads_the_routing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so where there is none."""
    provider = {"dialect": "openai-chat", "api_key": "k" * 9, "models": {"m": {}}}
    file = tmp_path / "routing.json"
    keys = {
        "providers": {"openai": provider},
        "routes": {"chat": {"candidates": ["openai/m"]}},
        "routing_file": str(file),
    }
    config = tmp_path / "hotspare.yaml"
    config.write_text(json.dumps(keys), encoding="utf-8")
    assert main(["export", "litellm", "-c", str(config)]) == 1
    assert str(file) in capsys.readouterr().err
    file.write_text(json.dumps(TABLE), encoding="utf-8")
    assert main(["export", "env", "-c", str(config)]) == 0
    assert "HOTSPARE_CHAT_A_TARGET=anthropic/haiku\n" in capsys.readouterr().out
    assert main(["export", "litellm", "-c", str(config)]) == 0
    assert len(json.loads(capsys.readouterr().out)["model_list"]) == 3
