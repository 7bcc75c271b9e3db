"""`hotspare check`: what it warns of besides what it probes."""

import json
from pathlib import Path

import pytest
from llmock.testing import LLMockServer

from controller.cli.main import main


@pytest.mark.slow
def test_check_warns_of_a_budget_that_stretches_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, beside the configuration's own warnings."""
    with LLMockServer() as provider:
        path = tmp_path / "hotspare.yaml"
        models = {"m": {"price": {"input": 100, "output": 100}}}
        openai = {
            "dialect": "openai-chat",
            "base_url": f"{provider.url}/v1",
            "api_key": "made-up-key",
            "models": models,
        }
        document = {
            "providers": {"openai": openai},
            "routes": {"chat": {"candidates": ["openai/m"]}},
            "budget": {"usd_per_month": 5},
            "connectivity": {"endpoints": []},
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        main(["check", "-c", str(path)])
    assert "warning: budget.usd_per_month: paid targets are probed less often (30s → " in capsys.readouterr().err
