"""Every dialect by its name in the configuration."""

from probes.dialects import anthropic, azure_openai, bedrock, cohere, gemini, openai_chat, openai_responses
from probes.dialects.dialect import Dialect

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
