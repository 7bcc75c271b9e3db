"""Signs requests for AWS (SigV4) by botocore, an optional extra."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from probes.outcome import Outcome
from probes.request_reply import Request
from probes.target import Provider, Secret
from probes.transport.shared_calls import SharedCalls

_SERVICE = "bedrock"
#: How long credentials that do not renew themselves are reused; some tools rewrite their file every hour.
_REUSED_S = 60.0
#: How long no further search is made after one that found nothing: a search takes seconds.
_RETRY_AFTER_S = 10.0
_NOT_INSTALLED = "botocore, which signs requests, is not installed: pip install 'hotspare[bedrock]'"
_NONE_FOUND = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role"
#: The parts of the credentials, as the environment names them.
_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class SigningError(Exception):
    """A request cannot be signed; the message says why and what to do."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome


class Credentials:
    """The AWS credentials of this machine, found and renewed as AWS's own tools do.

    They come from the environment, a profile (single sign-on and roles included), the container or the instance. The
    search may wait for the network, in a thread that delays neither other probes nor the end of the process.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._fetch = SharedCalls(self._secret, thread_name="aws-credentials")
        self._credentials: Any = None
        self._failure: tuple[Outcome, str] | None = None
        self._valid_until_s = float("-inf")

    async def secret(self, within_s: float) -> Secret:
        """All parts as one secret, for `sign` and for masking; raises SigningError, after `within_s` at the latest."""
        try:
            async with asyncio.timeout(within_s):
                return await self._fetch()
        except TimeoutError as error:
            raise SigningError(Outcome.TIMEOUT, f"no AWS credentials within {within_s:g} s") from error

    def _secret(self) -> Secret:
        if self._monotonic() >= self._valid_until_s:
            self._credentials = self._failure = None
        if self._failure is None:
            try:
                return self._renewed()
            except Exception as error:  # noqa: BLE001 - whatever the program of a profile raises, there are no credentials
                self._credentials, self._failure = None, _explain(error)
                self._valid_until_s = self._monotonic() + _RETRY_AFTER_S
        raise SigningError(*self._failure)

    def _renewed(self) -> Secret:
        if self._credentials is None:
            self._credentials, renews_itself = _find_credentials()
            self._valid_until_s = float("inf") if renews_itself else self._monotonic() + _REUSED_S
        frozen = self._credentials.get_frozen_credentials()
        parts = (frozen.access_key, frozen.secret_key, frozen.token or "")
        for variable, part in zip(_VARIABLES, parts, strict=True):
            if not (part.isascii() and part.isprintable() and " " not in part):
                source = variable if self._credentials.method == "env" else f"{variable.lower()} of the profile or role"
                why = f"{source} contains characters that an HTTP header may not contain"
                raise SigningError(Outcome.AUTH, why)
        return Secret("\n".join(parts))


def sign(request: Request, provider: Provider) -> Request:
    """The request with AWS's signature; the provider's key is a secret of `Credentials`."""
    # Slow to import, and an optional extra.
    from botocore.auth import SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import ReadOnlyCredentials  # noqa: PLC0415

    access_key, secret_key, token = provider.api_key.reveal().split("\n")
    shape = AWSRequest(method=request.method, url=request.url, data=request.content)
    SigV4Auth(ReadOnlyCredentials(access_key, secret_key, token or None), _SERVICE, provider.region).add_auth(shape)
    return replace(request, headers={**request.headers, **dict(shape.headers.items())})


def _find_credentials() -> tuple[Any, bool]:
    """Botocore's credentials, and whether they renew themselves; raises any exception."""
    # Slow to import, and an optional extra.
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415
    from botocore.exceptions import NoCredentialsError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    # It would log requests with their token at level debug, and tracebacks at any.
    logging.getLogger("botocore").setLevel(logging.CRITICAL)
    credentials = Session().get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials, isinstance(credentials, RefreshableCredentials)


def _explain(error: Exception) -> tuple[Outcome, str]:
    """The outcome of missing credentials, and why; a failure of the network is not the account's fault."""
    if isinstance(error, SigningError):
        return error.outcome, str(error)
    if isinstance(error, ImportError):
        return Outcome.AUTH, _NOT_INSTALLED
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "botocore.exceptions"}
    if "NoCredentialsError" in kinds:
        return Outcome.AUTH, _NONE_FOUND
    reason = f"they could not be fetched: {error if kinds else type(error).__name__}"
    if kinds & {"ConnectionError", "HTTPClientError"}:
        return Outcome.UNREACHABLE, f"no AWS credentials: {reason}"
    return Outcome.AUTH, reason
