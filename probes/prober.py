"""Sends one probe and returns what it observed: deadlines, phases, caps, redaction.

Deadlines run from the start of the probe, and the other side can extend none of them:

1. `connect_s` until TCP (and TLS) are established;
2. for a stream, `first_token_s` until the first visible text; a whole reply has no tokens to wait for;
3. `total_s` until the response is complete.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from probes import pricing
from probes.checks import Task
from probes.classifier import Classification, classify_response
from probes.dialects.aws_signing import Credentials, SigningError, sign
from probes.dialects.base import Dialect
from probes.dialects.model_families import expected_length, is_substitute, owner_names_models
from probes.dialects.presets import preset_of
from probes.dialects.registry import DIALECTS
from probes.exchange import MOST_PIECES, Exchange
from probes.json_values import overlay
from probes.limit_headers import nearly_used_up
from probes.loop_lag import running_lag
from probes.observation import OWN_FAULT, Observation
from probes.outcome import Outcome
from probes.question import Answer, Question
from probes.redaction import clean, clean_identifier
from probes.request_reply import Request
from probes.target import Check, Provider, Target
from probes.transcript import Transcript, build_transcript
from probes.transport.decoding import CAP, Decoder, UndecodableBodyError
from probes.transport.http_transport import open_connection, tls_context
from probes.transport.http_url import parse_url
from probes.transport.proxies import Proxies
from probes.transport.sockets import Resolve, Resolver, ResponseTooLargeError, TimedSockets, resolve_by_system
from probes.transport_errors import classify_exception

_log = logging.getLogger(__name__)

#: Bytes and pieces of a body that are read before other probes have their turn.
_BYTES_PER_TURN = 4096
_PIECES_PER_TURN = 16
_MOST_CALLS_SHOWN = 8
#: For each byte a letter or digit that is not mistaken for another.
_LETTERS = (b"bcdfghjkmnpqrstvwxz23456789" * 10)[:256]
_LONGEST_MODEL = 100


class Prober:
    """Sends probes, each over a connection of its own; all share one TLS context.

    `resolve` looks up host names; it runs in a thread and may block.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_bundle: Path | None = None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        nonce: Callable[[], str] | None = None,
        resolve: Resolve = resolve_by_system,
    ) -> None:
        self._proxies = Proxies(proxy)
        self._resolver = Resolver(resolve)
        self._tls = tls_context(ca_bundle)
        self._clock = clock
        self._monotonic = monotonic
        self._nonce = nonce or random_nonce
        self._credentials = Credentials(monotonic=monotonic)

    async def probe(self, target: Target, check: str) -> Observation:
        """Runs one check against the target, within `target.timeouts.total_s`.

        Raises only CancelledError: a fault of our own becomes a `bad_request`, and the log says where it happened.
        """
        return (await self._probe(self._begin(target, check)))[0]

    async def probe_with_transcript(self, target: Target, check: str) -> Transcript:
        """The same probe, with everything that went over the wire and the steps that led to its outcome."""
        exchange = self._begin(target, check, transcript=True)
        observation, classification = await self._probe(exchange)
        return build_transcript(exchange, observation, classification)

    async def ask(self, target: Target, question: Question) -> Answer:
        """Asks a question of people's own, with the deadlines and limits of a probe; raises only CancelledError."""
        exchange = self._begin(target, question.check, question=question)
        observation, classification = await self._probe(exchange)
        reply = classification.reply
        text = " ".join(f"{call.name}({call.arguments})" for call in reply.calls[:_MOST_CALLS_SHOWN]) or reply.text
        key, model = exchange.target.provider.api_key, reply.model or ""
        named = clean(model, key, limit=_LONGEST_MODEL) or None
        return Answer(observation=observation, reply=reply, key=key, shown=clean(text, key), model=named)

    def _begin(
        self, target: Target, check: str, *, question: Question | None = None, transcript: bool = False
    ) -> Exchange:
        return Exchange(
            target=target.with_deadlines_of(check),
            check=check,
            started_at=self._clock(),
            monotonic=self._monotonic,
            question=question,
            chunks=[] if transcript else None,
        )

    async def _probe(self, exchange: Exchange) -> tuple[Observation, Classification]:
        with running_lag().watch() as exchange.loop_lag:
            try:
                classification = await self._classify(exchange)
            except Exception as error:  # noqa: BLE001 - a bug of ours must neither kill the schedule nor blame a provider
                classification = classify_exception(error, exchange.target)
        await pricing.warm_up()
        await asyncio.sleep(0)  # as before the classification
        classification = complete_classification(classification, exchange)
        return build_observation(exchange, classification), classification

    async def _classify(self, exchange: Exchange) -> Classification:
        provider = exchange.target.provider
        if provider.signing:
            try:
                provider = await self._add_credentials(exchange)
            except SigningError as error:
                return Classification(error.outcome, str(error), steps=(f"credentials: {error}",))
        key = provider.api_key.reveal()
        if not provider.signing and not (key.isascii() and key.isprintable() and key.strip() == key):
            return Classification(Outcome.AUTH, "it contains characters that an HTTP header may not contain")
        target = exchange.target
        task = Task(
            check=exchange.check,
            nonce=self._nonce(),
            dimensions=expected_length(target),
            custom=target.own_check(exchange.check),
            question=exchange.question,
        )
        dialect = DIALECTS[provider.dialect]
        fault = await self._send(_build_request(dialect, task, exchange.target), exchange)
        if exchange.status is None:
            detail = f"{OWN_FAULT} ended without a response"
            fault = fault or Classification(Outcome.BAD_REQUEST, detail)
            return replace(fault, steps=(f"transport: {fault.detail}",))
        if exchange.last_byte_s is not None:
            running_lag().note_answer(exchange.loop_lag)
        await asyncio.sleep(0)  # what has arrived for other probes meanwhile is time-stamped first
        return classify_response(dialect, task, exchange.response(fault), now=self._clock())

    async def _add_credentials(self, exchange: Exchange) -> Provider:
        """Puts the AWS credentials in the place of the key, so that they are masked as one; raises SigningError."""
        limits, provider = exchange.target.timeouts, exchange.target.provider
        secret = await self._credentials.secret(min(limits.connect_s, limits.total_s))
        provider = replace(provider, api_key=secret)
        exchange.credentials_s = exchange.elapsed_s()
        exchange.target = replace(exchange.target, provider=provider)
        return provider

    async def _send(self, request: Request, exchange: Exchange) -> Classification | None:
        """Sends the request and fills the exchange; returns how the transport failed, where it did."""
        sockets = TimedSockets(self._resolver, exchange.timings, limit=CAP, monotonic=self._monotonic)
        try:
            async with asyncio.timeout(None) as timer:
                url, proxy = parse_url(request.url), self._proxies.proxy_for(request.url)
                exchange.request = request = _with_headers(request, exchange.check)
                content = request.content
                await asyncio.sleep(0)  # as before the classification
                exchange.begin_connecting((proxy.url if proxy else url).host, timer)
                async with open_connection(url, sockets, self._tls, proxy) as connection:
                    exchange.begin_request()
                    await connection.send(request.method, request.headers, content)
                    exchange.end_request()
                    return await read_response(*await connection.receive_head(), connection.receive_body(), exchange)
        except TimeoutError:
            return exchange.deadline_passed(exchange.describe_peer(request.url))
        except ResponseTooLargeError:
            return exchange.body_too_large()
        except UndecodableBodyError as error:
            return exchange.interrupted(Classification(Outcome.SERVER_ERROR, str(error)))
        except Exception as error:  # noqa: BLE001 - the table knows every exception of the transport, and what others mean
            peer = exchange.describe_peer(request.url)
            return exchange.interrupted(classify_exception(error, exchange.target, peer))
        finally:
            exchange.close()


def _build_request(dialect: Dialect, task: Task, target: Target) -> Request:
    request = dialect.build_request(target, task)
    if target.parameters:
        request = replace(request, body=overlay(request.body, target.parameters))
    return sign(request, target.provider) if target.provider.signing else request


def _with_headers(request: Request, check: str) -> Request:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if check == Check.STREAM else "application/json",
        "accept-encoding": "identity",
        "user-agent": "hotspare",
        **request.headers,
    }
    return replace(request, headers=headers)


async def read_response(
    status: int, headers: Mapping[str, str], chunks: AsyncIterator[bytes], exchange: Exchange
) -> Classification | None:
    """Reads the response as far as anything in it matters; returns the classification of a body that is too large."""
    exchange.receive_headers(status, headers)
    decoder = Decoder(headers.get("content-encoding", ""))
    async for chunk in chunks:
        data = decoder.feed(chunk)
        for start in range(0, len(data), _BYTES_PER_TURN):
            if exchange.receive(data[start : start + _BYTES_PER_TURN]):
                return None
            # A flood of tiny frames or pieces must not hold up the other probes.
            if len(data) > _BYTES_PER_TURN or exchange.pieces % _PIECES_PER_TURN == 0:
                await asyncio.sleep(0)
        if decoder.full or exchange.pieces > MOST_PIECES:
            return exchange.body_too_large()
    exchange.receive_end()
    return None


def random_nonce() -> str:
    """Eight random characters without vowels, so that they make no word."""
    return secrets.token_bytes(8).translate(_LETTERS).decode()


def complete_classification(classification: Classification, exchange: Exchange) -> Classification:
    """The classification with what only the target knows: its slow limit, the variable of its key, its model."""
    target, duration_s = exchange.target, exchange.duration_s
    match classification.outcome:
        case Outcome.OK if duration_s - exchange.loop_lag.stalled_s > target.slow_s:
            detail = f"answered correctly after {duration_s:.1f} s, past the slow limit of {target.slow_s:g} s"
            steps = (*classification.steps, f"time: {detail}")
            return replace(classification, outcome=Outcome.SLOW, detail=detail, steps=steps)
        case Outcome.OK:
            step = f"time: {duration_s:.3f} s, within the slow limit of {target.slow_s:g} s"
            return replace(classification, steps=(*classification.steps, step))
        case Outcome.AUTH:
            where = target.provider.api_key_env or target.provider.api_key_file or "the configuration"
            prefix = f"the key in {where} was refused"
            if target.provider.signing:
                prefix = "no AWS credentials" if exchange.status is None else "the AWS credentials were refused"
        case Outcome.QUOTA:
            prefix = "the account is out of credit or quota (billing)"
        case Outcome.MODEL_GONE:
            prefix = f"the model {target.model!r} is not there"
        case _:
            return classification
    return replace(classification, detail=f"{prefix}: {classification.detail}")


def _cost_usd(exchange: Exchange, classification: Classification) -> float | None:
    """The cost by the configured price, else the one that the provider states, else by the price list.

    None where it is more than a probe can cost: one wrong figure must not use up a budget.
    """
    target = exchange.target
    reply = classification.reply
    usd = reply.cost_usd if target.price is None else None
    if usd is None:
        usd = pricing.cost_usd(target, exchange.check, reply.input_tokens, reply.output_tokens, reply.cached_tokens)
    if usd is None:
        return None
    believable = pricing.believable_usd(target, exchange.check, usd, exchange.question)
    if believable is None:
        _log.warning("cost_not_believed target=%s usd=%g: counted as unknown", target.id, usd)
    return believable


def _substitute(exchange: Exchange, answered: str | None) -> str | None:
    """The model that answered, where it is another than the target's."""
    provider = exchange.target.provider
    if answered is None or not is_substitute(exchange.target.model, answered):
        return None
    named_by_owner = DIALECTS[provider.dialect].owner_names_models or preset_of(provider.preset).owner_names_models
    return None if named_by_owner or owner_names_models(exchange.headers) else answered


def build_observation(exchange: Exchange, classification: Classification) -> Observation:
    """The observation of a finished exchange; every text in it is fit to be shown."""
    key, timings, reply = exchange.target.provider.api_key, exchange.timings, classification.reply
    ended_at = exchange.started_at + timedelta(seconds=exchange.duration_s)
    near = nearly_used_up(exchange.headers, now=ended_at)
    return Observation(
        target=exchange.target.id,
        check=exchange.check,
        started_at=exchange.started_at,
        outcome=classification.outcome,
        duration_s=exchange.duration_s,
        detail=clean(classification.detail, key),
        resolved_s=exchange.since_start(timings.resolved_at),
        tcp_s=exchange.since_start(timings.tcp_at),
        connected_s=exchange.since_start(timings.connected_at),
        sent_s=exchange.sent_s,
        first_byte_s=exchange.first_byte_s,
        first_token_s=exchange.first_token_s,
        last_byte_s=exchange.last_byte_s,
        longest_stall_s=exchange.longest_stall_s,
        http_status=exchange.status,
        retry_after_s=classification.retry_after_s,
        limit_left=near.left if near else None,
        limit_resets_s=near.resets_s if near else None,
        request_id=clean_identifier(classification.request_id or "", key),
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cached_tokens=reply.cached_tokens,
        reasoning_tokens=reply.reasoning_tokens,
        model=clean(_substitute(exchange, reply.model) or "", key, limit=_LONGEST_MODEL) or None,
        deprecation=clean(reply.deprecation or "", key, limit=200) or None,
        cost_usd=_cost_usd(exchange, classification),
        loop_lag_s=exchange.loop_lag.worst_s,
        failed_here=exchange.request is None or classification.detail.startswith(OWN_FAULT),
    )
