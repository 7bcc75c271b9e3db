"""Sentences about evidence, as people read them."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.detection import reasons
from probes.outcome import Outcome
from tests.support.builders import target


def test_the_mix_names_the_most_frequent_first() -> None:
    """A single kind needs no number."""
    assert reasons.outcome_mix({Outcome.TIMEOUT: 2}) == "timeout"
    assert reasons.outcome_mix({Outcome.TIMEOUT: 2, Outcome.SERVER_ERROR: 7}) == "7 server_error, 2 timeout"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"api_key_env": "OPENAI_API_KEY"}, "the variable OPENAI_API_KEY"),
        ({"api_key_env": None}, "the key in the configuration"),
        ({"api_key_env": None, "signing": True}, "the AWS credentials of this machine"),
    ],
)
def test_the_remedy_says_where_the_key_comes_from(change: dict[str, Any], named: str) -> None:
    """A variable by its name; a key without one by where it stands; signatures by whose credentials they need."""
    key = replace(target().provider, **change).key_source
    remedy = reasons.remedy(Outcome.QUOTA, model="m", key=key, detail="")
    assert remedy == f"the account behind {named} has no money or quota left: see to its billing"
