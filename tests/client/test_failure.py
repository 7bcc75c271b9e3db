"""How an exception of any SDK is read: the words of the taxonomy, and exceptions that lie, raise or hold nothing."""

import errno
import json
import socket
import ssl
import urllib.error
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest
from hotspare_client import MissingKeyError
from hotspare_client.failure import Failure, read_failure
from hypothesis import given
from hypothesis import strategies as st

from probes.outcome import Outcome
from tests.probes.test_outcome import RECORDED, Recorded

#: After these the provider's answer is the answer.
FINAL = {"bad_request", "refused", "budget_spent"}
#: 404 in an API's own words, without a word about the model: to the service a fault of its own request, to an
#: application a wrong address at this one target, so that the next one is asked.
WRONG_ADDRESS = {
    *("azure-openai/resource_not_found", "bedrock/unknown_operation", "openai-chat/404_wrong_path_json"),
    *("openai-chat/base_url_full_endpoint", "openai-chat/cf_errors_array_404_route", "openai-chat/invalid_url"),
}
ERRORS = [recorded for recorded in RECORDED if recorded.status >= 400]


class StatusError(Exception):
    """As the SDKs of OpenAI, Anthropic and others shape it."""

    def __init__(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"Error code: {status} - {body}")
        self.status_code = status
        self.body = body
        self.response = type("Response", (), {"status_code": status, "headers": headers or {}})()


def as_exception(recorded: Recorded) -> StatusError:
    """What an SDK makes of a recorded answer."""
    try:
        body = json.loads(recorded.body)
    except ValueError:
        body = recorded.body.decode(errors="replace")
    return StatusError(recorded.status, body, dict(recorded.headers))


@pytest.mark.parametrize("recorded", ERRORS, ids=lambda recorded: f"{recorded.dialect}/{recorded.name}")
def test_every_recorded_error_is_answered_as_its_outcome_asks(recorded: Recorded) -> None:
    """Whether another target is asked follows from the outcome that the probes find, for each provider's words."""
    failure = read_failure(as_exception(recorded))
    if f"{recorded.dialect}/{recorded.name}" in WRONG_ADDRESS:
        assert failure.outcome == "unreachable"
    else:
        assert (failure.outcome in FINAL) == (recorded.outcome.value in FINAL), failure


def test_nearly_every_recorded_error_has_its_word() -> None:
    """The outcome itself, too, for 95 of 100."""
    right = [each for each in ERRORS if read_failure(as_exception(each)).outcome == each.outcome.value]
    assert len(right) >= 0.95 * len(ERRORS)


def test_the_waits_that_are_asked_for_are_found() -> None:
    """In headers, in milliseconds, as a date, and in words."""
    told = [each for each in ERRORS if each.outcome is Outcome.RATE_LIMITED and "retry_after_s" in each.details]
    for recorded in told:
        found = read_failure(as_exception(recorded)).retry_after_s
        assert found is None or abs(found - float(recorded.details["retry_after_s"])) <= 1, recorded.name
    assert read_failure(StatusError(429, {}, {"retry-after": "2"})).retry_after_s == 2.0
    assert read_failure(StatusError(429, {}, {"Retry-After-Ms": "250"})).retry_after_s == 0.25
    until = {"date": "Sat, 21 Nov 2026 18:00:00 GMT", "retry-after": "Sat, 21 Nov 2026 18:00:05 GMT"}
    assert read_failure(StatusError(429, {}, until)).retry_after_s == 5.0
    assert read_failure(StatusError(429, {"message": "Please try again in 1.5s."})).retry_after_s == 1.5


def named(name: str, *bases: type, **attributes: Any) -> BaseException:
    """An exception of a class of that name, as an SDK has it."""
    error: BaseException = type(name, bases or (Exception,), attributes)("told by a test")
    return error


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """An exception that was raised from another one."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected", "begun"),
    [
        (named("APITimeoutError", type("APIConnectionError", (Exception,), {})), "timeout", True),
        (caused(named("APITimeoutError"), named("ConnectTimeout")), "timeout", False),
        (caused(named("APIConnectionError"), named("RemoteProtocolError")), "unreachable", True),
        (caused(named("APIConnectionError"), named("ConnectError")), "unreachable", False),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "unreachable", False),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "unreachable", True),
        (socket.gaierror(-2, "Name or service not known"), "unreachable", False),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "unreachable", False),
        (urllib.error.URLError(socket.gaierror(-2, "Name or service not known")), "unreachable", False),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "unreachable", False),
        (TimeoutError(), "timeout", True),
        (json.JSONDecodeError("Expecting value", "", 0), "server_error", True),
        (MissingKeyError("X is not set"), "auth", True),
        (named("RateLimitError"), "rate_limited", True),
        (named("ContextWindowExceededError"), "bad_request", True),
        (named("APIError", body={"type": "overloaded_error", "message": "Overloaded"}), "overloaded", True),
        (named("APIError", body={"type": "server_error", "message": "…"}), "server_error", True),
        (named("ClientError", code=503, status="UNAVAILABLE"), "overloaded", True),
        (
            named(
                "ClientError",
                response={
                    "Error": {"Code": "ThrottlingException", "Message": "Too many requests"},
                    "ResponseMetadata": {"HTTPStatusCode": 429},
                },
            ),
            "rate_limited",
            False,
        ),
        (urllib.error.HTTPError("http://x", 502, "Bad Gateway", Message(), None), "server_error", True),
        (StatusError(200, {"error": {"type": "overloaded_error"}}), "overloaded", True),
        (StatusError(302, ""), "unreachable", True),
        (StatusError(529, ""), "overloaded", True),
        (StatusError(599, ""), "server_error", True),
        (StatusError(413, "<html>"), "bad_request", True),
        (caused(RuntimeError("wrapped by the application"), StatusError(503, "")), "overloaded", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_exceptions_are_known_by_status_words_and_names(error: BaseException, expected: str, begun: bool) -> None:
    """Whatever SDK they come from."""
    failure = read_failure(error)
    assert (failure.outcome, failure.begun) == (expected, begun)


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), ValueError("maximum context length"), FileNotFoundError(2, "no file"), PermissionError(13, "no")],
    ids=repr,
)
def test_an_exception_of_the_application_is_its_own(error: Exception) -> None:
    """It says nothing about a provider, and nobody else is asked."""
    assert not read_failure(error).known
    assert read_failure(error, in_stream=True).outcome == "broken_stream"


def test_a_context_that_is_too_long_is_told_apart() -> None:
    """By code or by words, at 400 and 413."""
    body = {"error": {"code": "context_length_exceeded", "message": "maximum context length is 8192 tokens"}}
    assert read_failure(StatusError(400, body)).too_long
    assert read_failure(StatusError(400, {"message": "prompt is too long: 210000 tokens > 200000 maximum"})).too_long
    assert not read_failure(StatusError(400, {"message": "Unsupported parameter: 'max_tokens'"})).too_long
    assert not read_failure(StatusError(429, {"message": "maximum context"})).too_long


class RaisingError(Exception):
    """Everything about it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class LyingError(Exception):
    """Its attributes are of any kind."""

    def __init__(self, **attributes: object) -> None:
        super().__init__("x")
        self.__dict__.update(attributes)


def circle() -> Exception:
    """Two exceptions that are each other's cause."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(RaisingError, id="raises"),
        pytest.param(circle, id="circle"),
        pytest.param(Exception, id="nothing"),
        pytest.param(lambda: Exception("x" * 50_000_000), id="huge"),
        pytest.param(lambda: LyingError(status_code="503", response=7, body=object(), headers=[]), id="wrong types"),
        pytest.param(lambda: LyingError(status_code=True, code=10**400, response=RaisingError()), id="more of them"),
        pytest.param(lambda: LyingError(body={"error": [[[{"a": "c" * 10_000}] * 50] * 50] * 50}), id="a large body"),
    ],
)
def test_any_exception_is_survived(make: Callable[[], Exception]) -> None:
    """Nothing raises, nothing is endless, and the detail stays short."""
    failure = read_failure(make())
    assert isinstance(failure, Failure)
    assert len(failure.detail) <= 200


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["status_code", "code", "status", "type", "body", "details", "headers", "retry_after"])


@given(attributes=st.dictionaries(NAMES, ANYTHING), response=ANYTHING)
def test_any_attributes_are_survived(attributes: dict[str, Any], response: object) -> None:
    """Whatever they hold, there is an outcome of the taxonomy, and a wait that is a number."""
    failure = read_failure(LyingError(**attributes, response=response))
    assert failure.outcome in set(Outcome)
    assert failure.retry_after_s is None or 0 <= failure.retry_after_s <= 86_400
