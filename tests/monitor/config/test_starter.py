"""A newcomer's configuration: every one of them is valid, and its price is starter."""

from pathlib import Path

import pytest

from monitor.config.loader import load
from monitor.config.starter import STARTERS, Starter, left_out, starter_yaml, starters_in
from probes import pricing

KEY = "a-key-of-nobody-0123"


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.name)
def test_each_provider_alone_makes_a_valid_configuration_with_a_price(starter: Starter, tmp_path: Path) -> None:
    """Warned of alone that it is alone; under a cent for a hundred probes, by whichever of its variables."""
    for variable in starter.variables:
        environ = {variable: KEY} | ({starter.region: "us-east-1"} if starter.region else {})
        path = tmp_path / "hotspare.yaml"
        path.write_text(starter_yaml(starters_in(environ)), encoding="utf-8")
        settings = load(path, environ)
        assert [text.rpartition(": ")[2] for text in settings.warnings] == ["there is nothing to fail over to"]
        assert [target.provider.api_key_env for target in settings.targets] == [variable]
        usd = pricing.usual_usd(settings.targets[0])
        assert usd is not None
        assert usd < 0.0001


def test_one_route_leads_over_all_that_was_found(tmp_path: Path) -> None:
    """In the order of preference; keys of others are said to be left out."""
    environ = {"GROQ_API_KEY": KEY, "OPENAI_API_KEY": KEY, "PERPLEXITY_API_KEY": KEY, "HOME": "/root"}
    path = tmp_path / "hotspare.yaml"
    path.write_text(starter_yaml(starters_in(environ)), encoding="utf-8")
    [route] = load(path, environ).routes
    assert [candidate.partition("/")[0] for candidate in route.candidates] == ["openai", "groq"]
    assert [text.partition(" ")[0] for text in left_out(environ)] == ["PERPLEXITY_API_KEY"]


def test_a_provider_whose_region_is_not_known_is_not_found() -> None:
    """Bedrock's address has it."""
    assert starters_in({"AWS_BEARER_TOKEN_BEDROCK"}) == ()
