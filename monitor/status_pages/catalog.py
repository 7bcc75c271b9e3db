"""Which status page speaks for which provider, and what of it matters: a table by the host of the base URL (pure)."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from monitor.status_pages.reading import PageScope
from probes.target import Provider

_INCIDENT_IO = "https://{0}/proxy/{0}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vendor:
    """One vendor's row of the table."""

    host: re.Pattern[str]
    """The host of the base URL; a group named `region` is the cloud's region."""
    page: str
    names: tuple[str, ...] = ()
    """Parts of the names of what matters, with `{region}` for the region; where a page has none of them, all of it."""


def _vendor(host: str, page: str, *names: str) -> _Vendor:
    return _Vendor(host=re.compile(host), page=page, names=names)


#: Not here, because they have no page that a program may read: Gemini's developer API and Mistral.
_VENDORS = (
    _vendor(
        r"api\.openai\.com",
        _INCIDENT_IO.format("status.openai.com"),
        "Chat Completions",
        "Responses",
        "Embeddings",
    ),
    _vendor(r"api\.anthropic\.com", "https://status.claude.com/api/v2/summary.json", "Claude API", "api.anthropic.com"),
    _vendor(
        r"(?:(?P<region>[a-z]+-[a-z]+\d+)-)?aiplatform\.googleapis\.com",
        "https://status.cloud.google.com/incidents.json",
        "Vertex",
        "Z0FZJAMvEB4j3NbCJs6B",
    ),
    _vendor(
        r"bedrock-runtime(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)",
        "https://health.aws.amazon.com/public/currentevents",
        "bedrock-{region}",
    ),
    _vendor(
        r"[a-z0-9.-]+\.(?:openai\.azure|services\.ai\.azure|cognitiveservices\.azure)\.com",
        "https://rssfeed.azure.status.microsoft/en-us/status/feed/",
    ),
    _vendor(r"api\.groq\.com", _INCIDENT_IO.format("groqstatus.com")),
    _vendor(r"api\.cohere\.(?:com|ai)", _INCIDENT_IO.format("status.cohere.com")),
    _vendor(r"api\.fireworks\.ai", _INCIDENT_IO.format("status.fireworks.ai")),
    _vendor(r"api\.perplexity\.ai", _INCIDENT_IO.format("status.perplexity.com"), "API"),
    _vendor(r"api\.together\.(?:xyz|ai)", "https://status.together.ai/index.json"),
    _vendor(r"openrouter\.ai", "https://status.openrouter.ai/config.json", "/chat/completions"),
    _vendor(r"api\.x\.ai", "https://status.x.ai/feed.xml"),
    _vendor(r"api\.deepseek\.com", "https://status.deepseek.com/api/status-page/6410630422455/summary/active", "API"),
)


def default_page(base_url: str) -> str | None:
    """Where the vendor behind this address says how it is; None where nobody does, as for a server of one's own."""
    found = _found(base_url)
    return found[0].page if found else None


def scope_of(provider: Provider) -> PageScope:
    """What of the provider's status page matters to it.

    By its base URL; behind a gateway, by the status page that was configured. All of a page that nobody knows.
    """
    found = _found(provider.base_url)
    vendor, region = found or (next((one for one in _VENDORS if one.page == provider.status_page), None), None)
    region = provider.region or region
    if vendor is None:
        return PageScope()
    # Without a region, "bedrock-" is in the name of every region's.
    return PageScope(names=tuple(name.format(region=region or "") for name in vendor.names), region=region)


def _found(base_url: str) -> tuple[_Vendor, str | None] | None:
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return None
    for vendor in _VENDORS:
        if match := vendor.host.fullmatch(host):
            return vendor, match.groupdict().get("region")
    return None
