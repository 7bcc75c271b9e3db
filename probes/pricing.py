"""What tokens cost and how many a model takes, as configured or by the list that ships with genai-prices.

Never over the network.
"""

import asyncio
import ipaddress
import logging
import math
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from urllib.parse import urlsplit

from probes.checks import usual_tokens
from probes.context_check import CONTEXT
from probes.dialects.registry import DIALECTS
from probes.question import Question
from probes.target import Check, Target

_log = logging.getLogger(__name__)

#: Before the names of Google's own models at Vertex's OpenAI endpoint.
_VERTEX_PREFIX = "google/"
#: The owner whose models the list finds at others.
_BY_MODEL = "litellm"
#: A provider that claims more than this for one probe is not believed.
_MOST_TOKENS = 1_000_000
#: A cost is believed up to this, or up to so many times the usual cost.
_BELIEVED_USD = 0.05
_BELIEVED_TIMES = 50
_MILLION = 1e6
#: Long requests cost more per token at some providers.
_SOME_TOKENS = 1_000


async def warm_up() -> None:
    """Loads the price list, which takes up to 0.5 s the first time, in a thread: it must not stall the event loop."""
    if "genai_prices" not in sys.modules:
        await asyncio.to_thread(_look_up_cost_usd, "openai", "gpt-4o-mini", 1, 1, 0)


def cost_usd(
    target: Target, check: str, input_tokens: int | None, output_tokens: int | None, cached_tokens: int | None = None
) -> float | None:
    """The cost of one probe in US dollars; None, never zero, where the tokens or the price are unknown.

    `cached_tokens` is the part of `input_tokens` that the provider had cached. The target's own `price` precedes the
    list, in which the provider is found by its base URL, preset, name or dialect.
    """
    if output_tokens is None and check == Check.EMBEDDING:
        output_tokens = 0
    if input_tokens is None or output_tokens is None:
        return None
    if not (0 <= input_tokens <= _MOST_TOKENS and 0 <= output_tokens <= _MOST_TOKENS):
        return None
    cached, price = min(max(0, cached_tokens or 0), input_tokens), target.price
    if price is None:
        return _listed_cost_usd(target, input_tokens, output_tokens, cached)
    cached_usd = cached * (price.input_usd if price.cached_usd is None else price.cached_usd)
    return ((input_tokens - cached) * price.input_usd + cached_usd + output_tokens * price.output_usd) / _MILLION


def token_prices_usd(target: Target) -> tuple[float, float] | None:
    """What one input and one output token of an ordinary request cost; None where the price is unknown."""
    read_usd = cost_usd(target, Check.CHAT, _SOME_TOKENS, 0)
    written_usd = cost_usd(target, Check.CHAT, 0, _SOME_TOKENS)
    return None if read_usd is None or written_usd is None else (read_usd / _SOME_TOKENS, written_usd / _SOME_TOKENS)


def context_tokens(target: Target) -> int | None:
    """The most tokens that a request may have: as configured, else by the list, once `warm_up` has loaded that."""
    if target.context is not None or "genai_prices" not in sys.modules:
        return target.context
    listed = (_look_up_context(owner, model) for owner, model in _listings(target))
    return next((tokens for tokens in listed if tokens), None)


def known_context(target: Target) -> int | None:
    """The same, and the list is loaded for it: half a second the first time."""
    if target.context is None:
        _look_up_cost_usd("openai", "gpt-4o-mini", 1, 1, 0)
    return context_tokens(target)


def usual_usd(target: Target) -> float | None:
    """About the cost of a good probe of this target, as a mean over its checks; None where the price is unknown."""
    costs = [cost_usd(target, check, *usual_tokens(target, check)) for check in target.checks]
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(costs) else None


def most_usd(target: Target, question: Question) -> float | None:
    """About the cost of an answer that uses its token budget up; None where the price is unknown."""
    return cost_usd(target, question.check, *question.most_tokens)


def context_usd_per_s(targets: Iterable[Target]) -> float:
    """About what the checks `context` of these targets cost together, as far as their prices are known."""
    asked = [(target, target.context_check) for target in targets if costs_money(target)]
    return math.fsum((_context_usd(target) or 0.0) / check.every_s for target, check in asked if check)


def _context_usd(target: Target) -> float | None:
    return cost_usd(target, CONTEXT, *usual_tokens(target, CONTEXT))


def believable_usd(target: Target, check: str, usd: float, question: Question | None = None) -> float | None:
    """The cost of one probe, or question, as the provider states it; None where it is not plausible.

    Plausible is up to $0.05, or up to fifty times the usual cost of the target's probes, or of its check `context`, or
    `most_usd` of the question.
    """
    if not 0 <= usd < math.inf:
        return None
    if usd <= _BELIEVED_USD:
        return usd
    if question:
        usual = most_usd(target, question)
    else:
        usual = _context_usd(target) if check == CONTEXT and target.context_check else usual_usd(target)
    return usd if usd <= _BELIEVED_TIMES * (usual or 0.0) else None


def costs_money(target: Target) -> bool:
    """Whether the target's probes count against a budget.

    They do not where their configured price is zero, nor, without a configured price, where the provider is on this
    machine or in a private network.
    """
    if target.price is not None:
        return any((target.price.input_usd, target.price.output_usd, target.price.cached_usd))
    return not _private(urlsplit(target.provider.base_url).hostname or "")


def _private(host: str) -> bool:
    """Whether the host is this machine or in a private network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        return "." not in name or name.endswith((".local", ".localhost", ".internal"))
    return address.is_private or address.is_loopback or address.is_link_local


def _listed_cost_usd(target: Target, read: int, written: int, cached: int) -> float | None:
    prices = (_look_up_cost_usd(owner, model, read, written, cached) for owner, model in _listings(target))
    return next((price for price in prices if price is not None), None)


def _listings(target: Target) -> Iterator[tuple[str, str]]:
    """Under which owners and names of models the list may have it."""
    provider = target.provider
    dialect = DIALECTS.get(provider.dialect)
    listed = dialect.price_list_id if dialect else None
    owners = dict.fromkeys((provider.base_url, provider.preset, provider.name, listed))
    models = dict.fromkeys((target.model, target.model.removeprefix(_VERTEX_PREFIX)))
    return ((owner, model) for owner in owners if owner and _is_listed(owner) for model in models)


@cache
def _is_listed(owner: str) -> bool:
    """Whether the list has anything of this owner: of one that it has not, each model would be looked for and kept."""
    if owner.lower() == _BY_MODEL:
        return True
    try:
        from genai_prices import data_snapshot  # noqa: PLC0415 - as below

        data_snapshot.get_snapshot().find_provider(None, *_whose(owner))
    except LookupError:
        return False
    except Exception:  # noqa: BLE001 - whoever looks up a model of it reports that
        return True
    return True


def _whose(owner: str) -> tuple[str | None, str | None]:
    """The owner as the list has it: a name, or an address."""
    return (None, owner) if "://" in owner else (owner, None)


@cache
def _look_up_context(owner: str, model: str) -> int | None:
    try:
        from genai_prices import data_snapshot  # noqa: PLC0415 - as below

        return data_snapshot.get_snapshot().find_provider_model(model, None, *_whose(owner))[1].context_window
    except LookupError:
        return None
    except Exception as error:  # noqa: BLE001 - a broken price list must not cost a routing file
        _log.warning("context_failed model=%s error=%s", model, type(error).__name__)
        return None


def _look_up_cost_usd(owner: str, model: str, read: int, written: int, cached: int) -> float | None:
    try:
        # Takes up to half a second to import: kept off the start-up path of commands that probe nothing.
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - said above

        usage = Usage(input_tokens=read, output_tokens=written, cache_read_tokens=cached)
        if "://" in owner:
            return float(calc_price(usage, model, provider_api_url=owner).total_price)
        return float(calc_price(usage, model, provider_id=owner).total_price)
    except LookupError:
        return None
    except Exception as error:  # noqa: BLE001 - a broken price list must not cost an observation
        _log.warning("price_failed model=%s error=%s", model, type(error).__name__)
        return None
