"""Tokens to money, by the price list that ships with genai-prices. Nothing here goes to the network."""

import asyncio
import logging
import sys

from probes.target import Provider

_log = logging.getLogger(__name__)

#: What genai-prices calls the provider behind a dialect, where the dialect has only one.
_OWNERS = {"anthropic": "anthropic", "gemini": "google"}


def warm_up() -> None:
    """Loads the price list, which takes up to half a second; does nothing the second time."""
    _price("openai", "gpt-4o-mini", 1, 1)


async def ready() -> None:
    """Loads the price list in a thread, so that the first probe does not stall the event loop."""
    if "genai_prices" not in sys.modules:
        await asyncio.to_thread(warm_up)


def cost_usd(provider: Provider, model: str, input_tokens: int | None, output_tokens: int | None) -> float | None:
    """What the tokens cost in US dollars; None, never zero, where the tokens or the price are not known.

    The provider's address says whose prices they are, else its name in the configuration, else its dialect.
    """
    if input_tokens is None or output_tokens is None:
        return None
    owners = dict.fromkeys((provider.base_url, provider.name, _OWNERS.get(provider.dialect, "")))
    prices = (_price(owner, model, input_tokens, output_tokens) for owner in owners if owner)
    return next((price for price in prices if price is not None), None)


def _price(owner: str, model: str, input_tokens: int, output_tokens: int) -> float | None:
    try:
        # Takes up to half a second to import: kept off the start-up path of commands that probe nothing.
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - said above

        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        if "://" in owner:
            return float(calc_price(usage, model, provider_api_url=owner).total_price)
        return float(calc_price(usage, model, provider_id=owner).total_price)
    except LookupError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever a price list does, it must not cost an observation
        _log.warning("price_failed model=%s error=%s", model, type(error).__name__)
        return None
