"""Every dialect by its name in the configuration, and the status pages that dialects and presets declare."""

from probes.dialects import anthropic, bedrock, cohere, gemini
from probes.dialects.base import ConfigField, Dialect, VendorStatusPage
from probes.dialects.openai import azure, chat, responses
from probes.dialects.presets import PRESETS

DIALECTS: dict[str, Dialect] = {
    module.DIALECT.name: module.DIALECT for module in (chat, responses, azure, anthropic, gemini, bedrock, cohere)
}
#: The dialect that presets are for.
PRESET_DIALECT = DIALECTS["openai-chat"]

#: Every key of a provider's configuration that only some dialects take.
CONFIG_FIELDS: dict[str, ConfigField] = {
    field.name: field for dialect in DIALECTS.values() for field in dialect.config_fields
}

#: Each once; no two of them match the same host.
_PAGES = [*(dialect.status_page for dialect in DIALECTS.values()), *(preset.status_page for preset in PRESETS.values())]
STATUS_PAGES: tuple[VendorStatusPage, ...] = tuple(dict.fromkeys(page for page in _PAGES if page))
