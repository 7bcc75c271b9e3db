"""Which status page speaks for whom, and what of it matters."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.config.loader import load
from monitor.status_pages.catalog import default_page, scope_of
from monitor.status_pages.reading import PageScope
from probes.target import Provider
from tests.support.builders import target
from tests.support.configurations import ENVIRON, write

OPENAI = "https://status.openai.com/proxy/status.openai.com"
CLAUDE = "https://status.claude.com/api/v2/summary.json"
GOOGLE = "https://status.cloud.google.com/incidents.json"
AWS = "https://health.aws.amazon.com/public/currentevents"
AZURE = "https://rssfeed.azure.status.microsoft/en-us/status/feed/"

KNOWN = [
    ("https://api.openai.com/v1", OPENAI),
    ("https://API.openai.com:443/v1", OPENAI),
    ("https://api.anthropic.com", CLAUDE),
    ("https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/endpoints/openapi", GOOGLE),
    ("https://aiplatform.googleapis.com", GOOGLE),
    ("https://bedrock-runtime.us-east-1.amazonaws.com", AWS),
    ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", AWS),
    ("https://mine.openai.azure.com", AZURE),
    ("https://mine.services.ai.azure.com/models", AZURE),
    ("https://api.groq.com/openai/v1", "https://groqstatus.com/proxy/groqstatus.com"),
    ("https://api.cohere.com", "https://status.cohere.com/proxy/status.cohere.com"),
    ("https://api.fireworks.ai/inference/v1", "https://status.fireworks.ai/proxy/status.fireworks.ai"),
    ("https://api.perplexity.ai", "https://status.perplexity.com/proxy/status.perplexity.com"),
    ("https://api.together.xyz/v1", "https://status.together.ai/index.json"),
    ("https://openrouter.ai/api/v1", "https://status.openrouter.ai/config.json"),
    ("https://api.x.ai/v1", "https://status.x.ai/feed.xml"),
    ("https://api.deepseek.com/v1", "https://status.deepseek.com/api/status-page/6410630422455/summary/active"),
]
NOBODY = [
    "http://127.0.0.1:11434/v1",
    "http://localhost:8000/v1",
    "http://10.0.0.7/v1",
    "http://vllm.internal/v1",
    "https://generativelanguage.googleapis.com",
    "https://api.mistral.ai/v1",
    "https://api.openai.com.evil.example/v1",
    "https://evil.example/api.openai.com",
    "https://xapi-openai.com/v1",
    "http://[",
    "",
]


def provider(base_url: str, *, page: str | None = None, region: str | None = None) -> Provider:
    """A provider at this address."""
    return replace(target(base_url=base_url).provider, status_page=page, region=region)


@pytest.mark.parametrize(("base_url", "page"), KNOWN)
def test_a_vendor_is_known_by_the_host(base_url: str, page: str) -> None:
    """Its page is the one that a program can read."""
    assert default_page(base_url) == page


@pytest.mark.parametrize("base_url", NOBODY)
def test_nobody_is_asked_for_others(base_url: str) -> None:
    """Servers of one's own, vendors without a readable page, and who only looks like a vendor."""
    assert default_page(base_url) is None
    assert scope_of(provider(base_url)) == PageScope()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(
            provider("https://api.openai.com/v1"),
            PageScope(names=("Chat Completions", "Responses", "Embeddings")),
            id="OpenAI's API, not its applications",
        ),
        pytest.param(
            provider("https://api.anthropic.com"),
            PageScope(names=("Claude API", "api.anthropic.com")),
            id="Claude's API",
        ),
        pytest.param(
            provider("https://us-central1-aiplatform.googleapis.com/v1"),
            PageScope(names=("Vertex", "Z0FZJAMvEB4j3NbCJs6B"), region="us-central1"),
            id="Vertex in its region",
        ),
        pytest.param(
            provider("https://bedrock-runtime.eu-west-1.amazonaws.com"),
            PageScope(names=("bedrock-eu-west-1",), region="eu-west-1"),
            id="Bedrock in its region",
        ),
        pytest.param(
            provider("https://gateway.example", page=AWS, region="us-east-1"),
            PageScope(names=("bedrock-us-east-1",), region="us-east-1"),
            id="behind a gateway, by the page and the region of the configuration",
        ),
        pytest.param(
            provider("https://gateway.example", page=AWS), PageScope(names=("bedrock-",)), id="Bedrock somewhere"
        ),
        pytest.param(
            provider("https://gateway.example", page="https://status.example"), PageScope(), id="all of an unknown page"
        ),
    ],
)
def test_only_some_of_a_page_matters(asked: Provider, expected: PageScope) -> None:
    """The API, and the region, that we use."""
    assert scope_of(asked) == expected


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param({}, OPENAI, id="the vendor's own unless the file says otherwise"),
        pytest.param({"base_url": "http://127.0.0.1:1/v1"}, None, id="none for a server of one's own"),
        pytest.param({"status_page": "none"}, None, id="switched off"),
        pytest.param({"status_page": CLAUDE}, CLAUDE, id="another one"),
        pytest.param(
            {"base_url": "http://127.0.0.1:1/v1", "status_page": OPENAI}, OPENAI, id="behind a gateway of one's own"
        ),
    ],
)
def test_the_configuration_has_the_last_word(tmp_path: Path, section: dict[str, str], expected: str | None) -> None:
    """`status_page` of a provider."""
    given = {"dialect": "openai-chat", "api_key": "${OPENAI_API_KEY}", "models": {"gpt-6-luna": {}}, **section}
    loaded = load(write(tmp_path, providers={"openai": given}), ENVIRON)
    assert loaded.providers[0].status_page == expected
