"""Send one probe and say how it went: deadlines, phases, caps and redaction.

Deadlines run from the start of the probe and none of them can be stretched by the other side:

1. `connect_s` until TCP (and TLS) stand;
2. for a stream, `first_token_s` until the first visible text; a whole reply has no tokens to wait for;
3. `total_s` until the answer is complete.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx

from probes import pricing
from probes.checks import Task
from probes.classifier import Classification, ProbeQuestion, judge
from probes.dialects.aws_signing import Credentials, UnsignedError, signed
from probes.dialects.registry import DIALECTS
from probes.exchange import BodyChunk, Exchange
from probes.json_values import overlay
from probes.loop_lag import LoopLag
from probes.model_facts import expected_length, is_substitute
from probes.observation import Observation
from probes.outcome import Outcome
from probes.redaction import clean, clean_identifier
from probes.reply import Request
from probes.target import Check, Provider, Target
from probes.transcript import Transcript, examined
from probes.transport import connection as transport
from probes.transport import dns as lookup
from probes.transport.backend import TimedBackend
from probes.transport.decoding import CAP, Decoder
from probes.transport.errors import ResponseTooLargeError, UndecodableBodyError
from probes.transport.proxies import Proxies
from probes.transport.tls import tls_context
from probes.transport_errors import classify_exception

_log = logging.getLogger(__name__)

_AT_ONCE = 4096


class Prober:
    """Sends probes, each over a connection of its own; all share one TLS context.

    `resolve` looks names up, in a thread.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_bundle: Path | None = None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        nonce: Callable[[], str] | None = None,
        resolve: lookup.Resolve = lookup.system,
    ) -> None:
        self._proxies = Proxies(proxy)
        self._lookups = lookup.Resolver(resolve)
        self._tls = tls_context(ca_bundle)
        self._clock = clock
        self._monotonic = monotonic
        self._nonce = nonce or random_nonce
        self._lag = LoopLag()
        self._warm = False
        self._aws = Credentials(monotonic=monotonic)

    async def probe(self, target: Target, check: Check) -> Observation:
        """Asks one question and waits for the verdict, at most `target.timeouts.total_s`.

        Raises nothing but CancelledError: a fault of our own is a `bad_request` whose place stands in the log.
        """
        await self._warmed_up()
        return (await self._probe(self._exchange(target, check)))[0]

    async def examine(self, target: Target, check: Check) -> Transcript:
        """The same probe, with all that went over the wire, and why it ended as it did; fit to be shown."""
        await self._warmed_up()
        exchange = self._exchange(target, check, pieces=[])
        seen, verdict = await self._probe(exchange)
        return examined(exchange, seen, verdict)

    async def _warmed_up(self) -> None:
        """Before the first probe, so that its time is the provider's alone."""
        if not self._warm:
            self._warm = True
            await transport.warm_up()

    def _exchange(self, target: Target, check: Check, *, pieces: list[BodyChunk] | None = None) -> Exchange:
        started_at = self._clock()
        return Exchange(target=target, check=check, started_at=started_at, monotonic=self._monotonic, pieces=pieces)

    async def _probe(self, exchange: Exchange) -> tuple[Observation, Classification]:
        with self._lag.watch() as exchange.lag:
            try:
                verdict = await self._ask(exchange)
            except Exception as error:  # noqa: BLE001 - a bug of ours must neither kill the schedule nor blame a provider
                verdict = classify_exception(error, exchange.target)
        await pricing.ready()
        await asyncio.sleep(0)  # as before the judgement
        verdict = _final(verdict, exchange)
        return _observation(exchange, verdict), verdict

    async def _ask(self, exchange: Exchange) -> Classification:
        provider = exchange.target.provider
        if provider.signing:
            try:
                provider = await self._with_credentials(exchange)
            except UnsignedError as error:
                return Classification(outcome=error.outcome, detail=str(error), because=(f"credentials: {error}",))
        key = provider.api_key.reveal()
        if not provider.signing and not (key.isascii() and key.isprintable() and key.strip() == key):
            return Classification(outcome=Outcome.AUTH, detail="it holds characters that no HTTP header may hold")
        task = Task(check=exchange.check, nonce=self._nonce(), dimensions=expected_length(exchange.target))
        question = ProbeQuestion(dialect=DIALECTS[provider.dialect], task=task)
        fault = await self._send(_request(question, exchange.target), exchange)
        if exchange.status is None:
            fault = fault or Classification(
                outcome=Outcome.BAD_REQUEST, detail="the probe itself ended without an answer"
            )
            return replace(fault, because=(f"transport: {fault.detail}",))
        await asyncio.sleep(0)  # one step at a time: what has come for other probes meanwhile is stamped first
        return judge(question, exchange.answer(fault), now=self._clock())

    async def _with_credentials(self, exchange: Exchange) -> Provider:
        """Puts them in the place of the key, where they are masked as one; raises UnsignedError."""
        limits, provider = exchange.target.timeouts, exchange.target.provider
        provider = replace(provider, api_key=await self._aws.secret(min(limits.connect_s, limits.total_s)))
        exchange.credentials_s = exchange.seconds()
        exchange.target = replace(exchange.target, provider=provider)
        return provider

    async def _send(self, request: Request, exchange: Exchange) -> Classification | None:
        """Fills the exchange; the verdict that follows from the transport alone, where something does."""
        sockets = TimedBackend(self._lookups, exchange.marks, limit=CAP, monotonic=self._monotonic)
        try:
            async with (
                asyncio.timeout(None) as timer,
                transport.Transport(sockets, self._tls, self._proxies.to(request.url)) as way,
            ):
                exchange.arm(timer)
                await asyncio.sleep(0)  # as before the judgement
                return await _read(await way.handle_async_request(_sent(request, exchange)), exchange)
        except TimeoutError:
            return exchange.late(exchange.place(request.url))
        except ResponseTooLargeError:
            return exchange.overflowed()
        except UndecodableBodyError as error:
            return exchange.broken(Classification(outcome=Outcome.SERVER_ERROR, detail=str(error)))
        except Exception as error:  # noqa: BLE001 - the table knows every exception of the transport, and what others mean
            return exchange.broken(classify_exception(error, exchange.target, exchange.place(request.url)))
        finally:
            exchange.over()


def _request(question: ProbeQuestion, target: Target) -> Request:
    request = question.dialect.request(target, question.task)
    if target.parameters:
        request = replace(request, body=overlay(request.body, target.parameters))
    return signed(request, target.provider) if target.provider.signing else request


def _sent(request: Request, exchange: Exchange) -> httpx.Request:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if exchange.check is Check.STREAM else "application/json",
        "accept-encoding": "identity",
        "user-agent": "hotspare",
        **request.headers,
    }
    exchange.request = replace(request, headers=headers)
    return httpx.Request(
        request.method,
        request.url,
        headers=headers,
        content=request.content,
        extensions={"trace": exchange.trace},
    )


async def _read(response: httpx.Response, exchange: Exchange) -> Classification | None:
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


def random_nonce() -> str:
    """Eight characters that make no word."""
    return "".join(secrets.choice("bcdfghjkmnpqrstvwxz23456789") for _ in range(8))


def _final(verdict: Classification, exchange: Exchange) -> Classification:
    """The verdict with what only the target knows: its slow limit, its key's variable, its model."""
    target, duration_s = exchange.target, exchange.duration_s
    env = target.provider.api_key_env
    match verdict.outcome:
        case Outcome.OK if duration_s - exchange.lag.stalled_s > target.slow_s:
            said = f"answered correctly after {duration_s:.1f} s, past the slow limit of {target.slow_s:g} s"
            return replace(verdict, outcome=Outcome.SLOW, detail=said, because=(*verdict.because, f"time: {said}"))
        case Outcome.OK:
            said = f"{duration_s:.3f} s, within the slow limit of {target.slow_s:g} s"
            return replace(verdict, because=(*verdict.because, f"time: {said}"))
        case Outcome.AUTH:
            lead = f"the key in {env} was refused" if env else "the key in the configuration was refused"
            if target.provider.signing:
                lead = "no AWS credentials" if exchange.status is None else "the AWS credentials were refused"
        case Outcome.QUOTA:
            lead = "the account is out of credit or quota (billing)"
        case Outcome.MODEL_GONE:
            lead = f"the model {target.model!r} is not there"
        case _:
            return verdict
    return replace(verdict, detail=f"{lead}: {verdict.detail}")


def _other(target: Target, answered: str | None) -> str | None:
    """The name of the model that answered, where it is not the one that was asked."""
    if answered is None or not is_substitute(target.model, answered):
        return None
    return clean(answered, target.provider.api_key, limit=100)


def _cost_usd(exchange: Exchange, verdict: Classification) -> float | None:
    """What the provider says that it cost, unless the configuration knows better; else tokens times prices.

    None where no probe can cost that much: one answer must not use up a budget.
    """
    target, tokens = exchange.target, (verdict.input_tokens, verdict.output_tokens, verdict.cached_tokens)
    said = verdict.cost_usd if target.price is None else None
    if said is None:
        said = pricing.cost_usd(target, exchange.check, *tokens)
    if said is None:
        return None
    believed = pricing.believable_usd(target, said)
    if believed is None:
        _log.warning("cost_not_believed target=%s usd=%g: counted as unknown", target.id, said)
    return believed


def _observation(exchange: Exchange, verdict: Classification) -> Observation:
    target, provider, marks = exchange.target, exchange.target.provider, exchange.marks
    return Observation(
        target=target.id,
        check=exchange.check,
        started_at=exchange.started_at,
        outcome=verdict.outcome,
        duration_s=exchange.duration_s,
        detail=clean(verdict.detail, provider.api_key),
        resolved_s=exchange.since_start(marks.resolved_at),
        tcp_s=exchange.since_start(marks.tcp_at),
        connected_s=exchange.since_start(marks.connected_at),
        sent_s=exchange.sent_s,
        first_byte_s=exchange.first_byte_s,
        first_token_s=exchange.first_token_s,
        last_byte_s=exchange.last_byte_s,
        longest_stall_s=exchange.longest_stall_s,
        fresh=exchange.fresh,
        http_status=exchange.status,
        retry_after_s=verdict.retry_after_s,
        request_id=clean_identifier(verdict.request_id or "", provider.api_key),
        input_tokens=verdict.input_tokens,
        output_tokens=verdict.output_tokens,
        cached_tokens=verdict.cached_tokens,
        reasoning_tokens=verdict.reasoning_tokens,
        model=_other(target, verdict.model),
        deprecation=clean(verdict.deprecation or "", provider.api_key, limit=200) or None,
        cost_usd=_cost_usd(exchange, verdict),
        loop_lag_s=exchange.lag.worst_s,
    )
