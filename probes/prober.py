"""Send one probe and say how it went: deadlines, phases, caps and redaction, and the only dealings with httpx.

Deadlines run from the start of the probe and none of them can be stretched by the other side:

1. `connect_s` until TCP (and TLS) stand;
2. for a stream, `first_token_s` until the first visible text; a whole reply has no tokens to wait for;
3. `total_s` until the answer is complete.
"""

import asyncio
import logging
import secrets
import ssl
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from probes import causes, pricing
from probes.body import Decoder, UnreadableError
from probes.checks import Task
from probes.dialects.registry import DIALECTS
from probes.dialects.wire import Request, overlaid
from probes.exchange import Exchange
from probes.loop_lag import LoopLag, Watch
from probes.observation import Observation
from probes.outcome import Outcome
from probes.redaction import clean, identifier
from probes.substitution import substituted
from probes.target import Check, Target
from probes.verdict import Question, Verdict, judge

_log = logging.getLogger(__name__)

_AT_ONCE = 4096

#: Every exception that httpx has. What is ours is `bad_request`: never held against a provider.
OUTCOMES: Mapping[type[BaseException], Outcome] = {
    httpx.HTTPError: Outcome.BAD_REQUEST,
    httpx.RequestError: Outcome.BAD_REQUEST,
    httpx.TransportError: Outcome.UNREACHABLE,
    httpx.TimeoutException: Outcome.TIMEOUT,
    httpx.ConnectTimeout: Outcome.TIMEOUT,
    httpx.ReadTimeout: Outcome.TIMEOUT,
    httpx.WriteTimeout: Outcome.TIMEOUT,
    httpx.PoolTimeout: Outcome.BAD_REQUEST,
    httpx.NetworkError: Outcome.UNREACHABLE,
    httpx.ConnectError: Outcome.UNREACHABLE,
    httpx.ReadError: Outcome.UNREACHABLE,
    httpx.WriteError: Outcome.UNREACHABLE,
    httpx.CloseError: Outcome.UNREACHABLE,
    httpx.ProxyError: Outcome.UNREACHABLE,
    httpx.UnsupportedProtocol: Outcome.BAD_REQUEST,
    httpx.ProtocolError: Outcome.SERVER_ERROR,
    httpx.LocalProtocolError: Outcome.BAD_REQUEST,
    httpx.RemoteProtocolError: Outcome.SERVER_ERROR,
    httpx.DecodingError: Outcome.SERVER_ERROR,
    httpx.TooManyRedirects: Outcome.BAD_REQUEST,
    httpx.HTTPStatusError: Outcome.BAD_REQUEST,
    httpx.InvalidURL: Outcome.BAD_REQUEST,
    httpx.CookieConflict: Outcome.BAD_REQUEST,
    httpx.StreamError: Outcome.BAD_REQUEST,
    httpx.StreamConsumed: Outcome.BAD_REQUEST,
    httpx.StreamClosed: Outcome.BAD_REQUEST,
    httpx.ResponseNotRead: Outcome.BAD_REQUEST,
    httpx.RequestNotRead: Outcome.BAD_REQUEST,
}


class Prober:
    """Sends probes, each over a client and a connection of its own; all share one TLS context."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_bundle: Path | None = None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        nonce: Callable[[], str] | None = None,
    ) -> None:
        self._proxy = proxy
        self._tls = tls_context(ca_bundle)
        self._clock = clock
        self._monotonic = monotonic
        self._nonce = nonce or random_nonce
        self._lag = LoopLag()

    async def probe(self, target: Target, check: Check) -> Observation:
        """Asks one question and waits for the verdict, at most `target.timeouts.total_s`.

        Raises nothing but CancelledError: a fault of our own is a `bad_request` whose place stands in the log.
        """
        exchange = Exchange(target=target, check=check, started_at=self._clock(), monotonic=self._monotonic)
        with self._lag.watch() as lag:
            try:
                verdict = await self._ask(exchange)
            except Exception as error:  # noqa: BLE001 - a bug of ours must neither kill the schedule nor blame a provider
                verdict = _fault(error, target)
            duration_s = exchange.seconds()
        await pricing.ready()
        return _observation(exchange, _final(verdict, target, duration_s), duration_s=duration_s, lag=lag)

    async def _ask(self, exchange: Exchange) -> Verdict:
        provider = exchange.target.provider
        key = provider.api_key.reveal()
        if not (key.isascii() and key.isprintable() and key.strip() == key):
            return Verdict(outcome=Outcome.AUTH, detail="it holds characters that no HTTP header may hold")
        task = Task(check=exchange.check, nonce=self._nonce(), dimensions=exchange.target.dimensions)
        question = Question(dialect=DIALECTS[provider.dialect], task=task)
        fault = await self._send(_request(question, exchange.target), exchange)
        if exchange.status is None:
            return fault or Verdict(outcome=Outcome.BAD_REQUEST, detail="the probe itself ended without an answer")
        return judge(question, exchange.answer(fault), now=self._clock())

    async def _send(self, request: Request, exchange: Exchange) -> Verdict | None:
        """Fills the exchange; the verdict that follows from the transport alone, where something does."""
        try:
            async with asyncio.timeout(None) as timer:
                exchange.arm(timer)
                async with self._client(request.url) as client, _stream(client, request, exchange) as response:
                    return await _read(response, exchange)
        except TimeoutError:
            return exchange.late(exchange.place(request.url))
        except UnreadableError as error:
            return exchange.broken(Verdict(outcome=Outcome.SERVER_ERROR, detail=str(error)))
        except Exception as error:  # noqa: BLE001 - the table knows every exception of httpx, and what to make of others
            return exchange.broken(_fault(error, exchange.target, exchange.place(request.url)))

    def _client(self, url: str) -> httpx.AsyncClient:
        local = _is_loopback(urlsplit(url).hostname or "")  # no proxy leads back to this machine
        return httpx.AsyncClient(
            verify=self._tls,
            proxy=None if local else self._proxy,
            trust_env=self._proxy is None and not local,
            timeout=httpx.Timeout(None),  # deadlines are the exchange's: those of httpx are per read
        )


def _request(question: Question, target: Target) -> Request:
    request = question.dialect.request(target, question.task)
    return replace(request, body=overlaid(request.body, target.parameters)) if target.parameters else request


def _stream(
    client: httpx.AsyncClient, request: Request, exchange: Exchange
) -> AbstractAsyncContextManager[httpx.Response]:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if exchange.check is Check.STREAM else "application/json",
        "accept-encoding": "identity",
        "user-agent": "hotspare",
        **request.headers,
    }
    return client.stream(
        request.method,
        request.url,
        headers=headers,
        content=request.content,
        extensions={"trace": exchange.trace},
    )


async def _read(response: httpx.Response, exchange: Exchange) -> Verdict | None:
    """Reads as far as anything matters; the verdict when the body overflows."""
    exchange.begin(response.status_code, response.headers.items())
    decoder = Decoder(response.headers.get("content-encoding", ""))
    async for chunk in response.aiter_raw():
        data = decoder.feed(chunk)
        for start in range(0, len(data), _AT_ONCE):
            if exchange.take(data[start : start + _AT_ONCE]):
                return None
            if len(data) > _AT_ONCE:  # a flood of tiny frames must not hold up the other probes
                await asyncio.sleep(0)
        if decoder.full:
            return exchange.overflowed()
    exchange.end()
    return None


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Trusts `ca_bundle` alone, else what httpx and the system trust; raises ValueError for a bad bundle."""
    if ca_bundle is None:
        context = httpx.create_ssl_context()
        context.load_default_certs()
        return context
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"network.ca_bundle {str(ca_bundle)!r}: expected a file of PEM certificates: {error}"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def random_nonce() -> str:
    """Eight characters that make no word."""
    return "".join(secrets.choice("bcdfghjkmnpqrstvwxz23456789") for _ in range(8))


def _fault(error: Exception, target: Target, place: str = "") -> Verdict:
    """What an exception means; one that is not the transport's is a fault of the probe."""
    lacked = causes.our_machine(error)
    known = next((kind for kind in type(error).__mro__ if kind in OUTCOMES), None)
    outcome = OUTCOMES[known] if known and not lacked else Outcome.BAD_REQUEST
    if outcome is Outcome.BAD_REQUEST:
        _log_fault(error, target)
        why = lacked or f"{type(error).__name__}; the log says where"
        return Verdict(outcome=outcome, detail=f"the probe itself failed: {why}")
    if isinstance(error, httpx.RemoteProtocolError):
        if "without sending a response" in str(error):
            return Verdict(outcome=Outcome.UNREACHABLE, detail=f"{place} closed the connection without an answer")
        return Verdict(outcome=outcome, detail=f"{place} broke the HTTP protocol: {error}")
    if isinstance(error, httpx.ProxyError):
        return Verdict(outcome=outcome, detail=f"the proxy did not lead to {place}: {error}")
    return Verdict(outcome=outcome, detail=causes.sentence(error, place))


def _log_fault(error: Exception, target: Target) -> None:
    """Without a traceback: exceptions about headers quote them."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    said = clean(str(error), target.provider.api_key)
    _log.error("probe_failed target=%s error=%s where=%r said=%r", target.id, type(error).__name__, where, said)


def _final(verdict: Verdict, target: Target, duration_s: float) -> Verdict:
    """The verdict with what only the target knows: its slow limit, its key's variable, its model."""
    env = target.provider.api_key_env
    match verdict.outcome:
        case Outcome.OK if duration_s > target.slow_s:
            said = f"answered correctly after {duration_s:.1f} s, past the slow limit of {target.slow_s:g} s"
            return replace(verdict, outcome=Outcome.SLOW, detail=said)
        case Outcome.AUTH:
            lead = f"the key in {env} was refused" if env else "the key in the configuration was refused"
        case Outcome.QUOTA:
            lead = "the account is out of credit or quota (billing)"
        case Outcome.MODEL_GONE:
            lead = f"the model {target.model!r} is not there"
        case _:
            return verdict
    return replace(verdict, detail=f"{lead}: {verdict.detail}")


def _other(target: Target, answered: str | None) -> str | None:
    """The name of the model that answered, where it is not the one that was asked."""
    if answered is None or not substituted(target.model, answered):
        return None
    return clean(answered, target.provider.api_key, limit=100)


def _observation(exchange: Exchange, verdict: Verdict, *, duration_s: float, lag: Watch) -> Observation:
    target, provider = exchange.target, exchange.target.provider
    return Observation(
        target=target.id,
        check=exchange.check,
        started_at=exchange.started_at,
        outcome=verdict.outcome,
        duration_s=duration_s,
        detail=clean(verdict.detail, provider.api_key),
        connected_s=exchange.connected_s,
        first_byte_s=exchange.first_byte_s,
        first_token_s=exchange.first_token_s,
        http_status=exchange.status,
        retry_after_s=verdict.retry_after_s,
        request_id=identifier(verdict.request_id or "", provider.api_key),
        input_tokens=verdict.input_tokens,
        output_tokens=verdict.output_tokens,
        cached_tokens=verdict.cached_tokens,
        reasoning_tokens=verdict.reasoning_tokens,
        model=_other(target, verdict.model),
        deprecation=clean(verdict.deprecation or "", provider.api_key, limit=200) or None,
        cost_usd=pricing.cost_usd(
            target, exchange.check, verdict.input_tokens, verdict.output_tokens, verdict.cached_tokens
        ),
        loop_lag_s=lag.worst_s,
    )
