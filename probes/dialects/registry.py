"""Every dialect by its name in the configuration."""

from probes.dialects import anthropic, gemini, openai_chat
from probes.dialects.dialect import Dialect

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (openai_chat.DIALECT, anthropic.DIALECT, gemini.DIALECT)
}
