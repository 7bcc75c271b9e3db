"""Tokens and cost in OpenAI's formats."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from probes.json_values import as_count, as_object
from probes.reply import Reply

#: A provider that claims more than this for one probe is not believed.
_MOST_USD: Final = 10.0
_TICKS_PER_USD: Final = 10_000_000_000


def with_usage(reply: Reply, usage: object) -> Reply:
    """The reply with its usage, by the names of Chat Completions or of Responses; unchanged without any.

    Some providers exclude reasoning from `completion_tokens`; their total shows it.
    """
    counts = as_object(usage)
    if not counts:
        return reply
    read = _first(counts, "prompt_tokens", "input_tokens")
    written = _first(counts, "completion_tokens", "output_tokens")
    thought = _first(_either(counts, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    if None not in (read, written, thought) and as_count(counts.get("total_tokens")) == (
        (read or 0) + (written or 0) + (thought or 0)
    ):
        written = (written or 0) + (thought or 0)
    cached = _first(_either(counts, "prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    reply = reply.with_tokens(
        input_tokens=read,
        output_tokens=written,
        cached_tokens=as_count(counts.get("prompt_cache_hit_tokens")) if cached is None else cached,
        reasoning_tokens=as_count(counts.get("reasoning_tokens")) if thought is None else thought,
    )
    return replace(reply, cost_usd=_cost_usd(counts))


def _first(counts: Mapping[str, Any], *names: str) -> int | None:
    numbers = (as_count(counts.get(name)) for name in names)
    return next((number for number in numbers if number is not None), None)


def _either(counts: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((details for name in names if (details := as_object(counts.get(name)))), {})


def _cost_usd(counts: Mapping[str, Any]) -> float | None:
    """By xAI's ticks, OpenRouter's `cost` or Perplexity's total cost."""
    ticks = _believable(counts.get("cost_in_usd_ticks"), _MOST_USD * _TICKS_PER_USD)
    if ticks is not None:
        return ticks / _TICKS_PER_USD
    cost = counts.get("cost")
    stated = _believable(as_object(cost).get("total_cost") if isinstance(cost, dict) else cost, _MOST_USD)
    if stated is None or counts.get("is_byok") is not True:
        return stated
    # With a key of another provider, that provider is paid too.
    upstream = _believable(as_object(counts.get("cost_details")).get("upstream_inference_cost"), _MOST_USD)
    return None if upstream is None else stated + upstream


def _believable(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= most and math.isfinite(value) else None
