"""How long an embedding must be."""

from dataclasses import replace

import pytest

from probes.model_facts import expected_length
from tests.support.builders import target


@pytest.mark.parametrize(
    ("model", "length"),
    [
        ("text-embedding-3-small", 1536),
        ("openai/text-embedding-3-large", 3072),
        ("amazon.titan-embed-text-v2:0", 1024),
        ("embed-english-light-v3.0", 384),
        ("somebody-elses-embedding", None),
    ],
)
def test_a_known_model_has_its_length(model: str, length: int | None) -> None:
    """Wherever it is served; an unknown one may answer with any length."""
    assert expected_length(target(f"openai/{model}")) == length


def test_the_settings_know_better() -> None:
    """A length in the settings wins, and parameters of one's own may ask for another one."""
    known = target("openai/text-embedding-3-small")

    assert expected_length(replace(known, dimensions=256)) == 256
    assert expected_length(replace(known, parameters={"dimensions": 512})) is None
