"""Every dialect by its name in the configuration."""

from probes.dialects import anthropic, bedrock, cohere, gemini
from probes.dialects.base import Dialect
from probes.dialects.openai import azure as azure_openai
from probes.dialects.openai import chat as openai_chat
from probes.dialects.openai import responses as openai_responses

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
