"""Every dialect by its name in the configuration, and the status pages that dialects and presets declare."""

from probes.dialects import anthropic, bedrock, cohere, gemini
from probes.dialects.base import ConfigField, Dialect, VendorStatusPage
from probes.dialects.openai import azure as azure_openai
from probes.dialects.openai import chat as openai_chat
from probes.dialects.openai import responses as openai_responses
from probes.dialects.presets import PRESETS

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        openai_chat.DIALECT,
        openai_responses.DIALECT,
        azure_openai.DIALECT,
        anthropic.DIALECT,
        gemini.DIALECT,
        bedrock.DIALECT,
        cohere.DIALECT,
    )
}
#: The dialect that presets are for.
PRESET_DIALECT = DIALECTS["openai-chat"]

#: Every key of a provider's configuration that only some dialects take.
CONFIG_FIELDS: dict[str, ConfigField] = {
    field.name: field for dialect in DIALECTS.values() for field in dialect.config_fields
}

#: Each once; no two of them match the same host.
STATUS_PAGES: tuple[VendorStatusPage, ...] = tuple(
    dict.fromkeys(
        page
        for page in (
            *(dialect.status_page for dialect in DIALECTS.values()),
            *(preset.status_page for preset in PRESETS.values()),
        )
        if page
    )
)


def dialects_taking(field: str) -> list[Dialect]:
    """The dialects whose providers may have this key in their configuration."""
    return [dialect for dialect in DIALECTS.values() if dialect.takes(field)]
