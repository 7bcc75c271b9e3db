"""The routing table in the words of other routers, for those who have one (pure)."""

import re
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any, Final

#: What LiteLLM puts before a model, by dialect: https://docs.litellm.ai/docs/providers.
_LITELLM: Final = {
    "openai-chat": "openai",
    "openai-responses": "openai/responses",
    "azure-openai": "azure",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "bedrock": "bedrock",
    "cohere": "cohere_chat",
}
#: Those whose address LiteLLM knows by itself, and would only get wrong from us.
_KNOWN_ADDRESS: Final = frozenset({"gemini", "bedrock", "cohere"})
_ENV: Final = {
    "PROVIDER": "provider",
    "MODEL": "model",
    "DIALECT": "dialect",
    "BASE_URL": "base_url",
    "API_KEY_ENV": "api_key_env",
}


def litellm_document(table: Mapping[str, Any]) -> dict[str, Any]:
    """The `model_list` of LiteLLM: each route is a model name, its candidates in `order`, the present target first.

    Keys are named by their variables. Drained targets, and those that the table calls failing, come last.
    """
    return {"model_list": [entry for name in table["routes"] for entry in _deployments(table, name)]}


def env_lines(table: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a shell, `HOTSPARE_CHAT_MODEL=gpt-6-luna`: where each route points now. Empty what is not known."""
    for name, route in table["routes"].items():
        prefix = f"HOTSPARE_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
        target = table["targets"].get(route["target"], {})
        yield f"{prefix}_TARGET={quote(route['target'])}"
        yield from (f"{prefix}_{word}={quote(str(target.get(key) or ''))}" for word, key in _ENV.items())


def _deployments(table: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    route, targets = table["routes"][name], table["targets"]
    candidates = [target for target in route["candidates"] if target in targets]
    ordered = sorted(
        candidates,
        key=lambda target: (target != route["target"], _is_out(targets[target]), candidates.index(target)),
    )
    for order, target in enumerate(ordered, 1):
        yield {"model_name": name, "litellm_params": {**_parameters(targets[target]), "order": order}}


def _is_out(target: Mapping[str, Any]) -> bool:
    return bool(target.get("drained")) or target.get("health") in {"down", "unusable", "misconfigured"}


def _parameters(target: Mapping[str, Any]) -> dict[str, Any]:
    dialect = target["dialect"]
    known = {
        "api_base": None if dialect in _KNOWN_ADDRESS else target["base_url"],
        "api_key": f"os.environ/{target['api_key_env']}" if target.get("api_key_env") else None,
        "api_version": target.get("api_version"),
        "aws_region_name": target.get("region") if dialect == "bedrock" else None,
    }
    named = {name: value for name, value in known.items() if value is not None}
    return {"model": f"{_LITELLM.get(dialect, 'openai')}/{target['model']}", **named}
