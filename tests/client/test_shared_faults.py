"""Faults that both clients read and answer alike: what an error says, what follows it, and whole sequences."""

import errno
import json
import socket
import ssl
from pathlib import Path

import pytest
from hotspare_client import DeadlineError, MissingKeyError, NoTargetError, Routing, StreamFailedError, Target
from hotspare_client.failure import Failure, read_failure
from hotspare_client.policy import Step

from tests.support.client_policy import follow, up_target
from tests.support.routes import open_route, write_route
from tests.support.shared_cases import Case, load_cases, name_of

CONTEXTS = {"a": 8000, "b": None, "c": 128_000}


class StatusError(Exception):
    """As the SDKs shape it."""

    def __init__(self, status: int, body: object, headers: dict[str, str]) -> None:
        super().__init__(f"Error code: {status} - {body}")
        self.status_code = status
        self.body = body
        self.response = type("Response", (), {"status_code": status, "headers": headers})()


def named(name: str, cause: BaseException | None = None) -> Exception:
    """An exception of a class of that name, raised from `cause`."""
    error: Exception = type(name, (Exception,), {})("told by a test")
    error.__cause__ = cause
    return error


def as_exception(case: Case) -> Exception:
    """What Python and its SDKs raise."""
    if "status" in case:
        return StatusError(case["status"], case.get("body", ""), case.get("headers", {}))
    return {
        "reset": ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        "refused": ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        "dns": socket.gaierror(-2, "Name or service not known"),
        "tls": ssl.SSLCertVerificationError(1, "certificate verify failed"),
        "no network": OSError(errno.ENETUNREACH, "Network is unreachable"),
        "timeout": TimeoutError(),
        "connect timeout": named("APITimeoutError", named("ConnectTimeout")),
        "not json": json.JSONDecodeError("Expecting value", "", 0),
        "no key": MissingKeyError("X is not set"),
        "own": KeyError("x"),
        "wrapped 503": named("RuntimeError", StatusError(503, "", {})),
        "bare": Exception(),
        "told": StreamFailedError("a/m failed inside the stream", case.get("body")),
    }[case["error"]]


def after(failure: Failure, case: Case, targets: tuple[Target, ...]) -> Step | None:
    """What follows a failure at the first target; the case says what is unlike the usual."""
    unlike = dict(case.get("situation", {}))
    pick = unlike.pop("pick", targets[0].id)
    return follow(failure, targets, pick=next((each for each in targets if each.id == pick), None), **unlike)


def assert_follows(step: Step | None, case: Case) -> None:
    """The target and the pause that the case says."""
    assert (step.target.id if step else None) == case["then"]
    assert step is None or step.pause_s == pytest.approx(case["pause_s"])


@pytest.mark.parametrize("case", load_cases("failures"), ids=name_of)
def test_an_error_says_what_came_and_what_follows(case: Case) -> None:
    """At three targets, the first of them with a small context, the last with a large one."""
    failure = read_failure(as_exception(case), in_stream=case.get("in_stream", False))
    assert {name: getattr(failure, name) for name in case["expect"]} == case["expect"]
    targets = tuple(up_target(name, context=context) for name, context in CONTEXTS.items())
    assert_follows(after(failure, case, targets), case)


@pytest.mark.parametrize("case", load_cases("policy"), ids=name_of)
def test_each_failure_has_its_answer(case: Case) -> None:
    """The same target once more, the next one, or nobody; see docs/client.md."""
    targets = tuple(up_target(**each) for each in case.get("targets", [{"id": name} for name in "abc"]))
    failure = Failure(**{"detail": "", **case["failure"]})
    assert_follows(after(failure, case, targets), case)


@pytest.mark.parametrize("case", load_cases("attempts"), ids=name_of)
def test_a_request_asks_whom_it_should(tmp_path: Path, case: Case) -> None:
    """Each target answers as told, and well after that."""
    described = case.get("targets", {"alpha": {}, "beta": {}, "gamma": {}})
    routing = open_route(tmp_path, target="alpha/m", targets={f"{name}/m": each for name, each in described.items()})
    answers = {name: [as_exception(each) for each in told] for name, told in case["answers"].items()}
    asked: list[str] = []
    told: list[Exception] = []

    def ask() -> None:
        for attempt in routing.attempts(case.get("route", "chat"), **case.get("terms", {})):
            with attempt:
                asked.append(attempt.target.provider)
                if answers.get(asked[-1]):
                    told.append(answers[asked[-1]].pop(0))
                    raise told[-1]

    raised: list[Exception] = []
    for _ in range(case.get("requests", 1)):
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - whatever it is
            raised.append(error)
    assert asked == case["asked"]
    match case.get("raises"):
        case None:
            assert raised == []
        case int(index):
            assert raised == [told[index]]
            outcomes = [each.outcome for each in raised[0].hotspare_attempts]  # type: ignore[attr-defined]
            assert outcomes == case.get("outcomes", outcomes)
        case name:
            assert [type(each) for each in raised] == [{"DeadlineError": DeadlineError}.get(name, NoTargetError)]


@pytest.mark.parametrize("case", load_cases("affinity"), ids=name_of)
def test_a_session_stays_where_it_should(tmp_path: Path, case: Case) -> None:
    """Step by step: the file changes, time passes, and each key has its target."""
    now = 1000.0
    routing = Routing(tmp_path / "routing.json", check_every_s=0, monotonic=lambda: now)
    for step in case["steps"]:
        now += step.get("after_s", 0)
        described = step.get("targets", {"alpha": {}, "beta": {}})
        weights = step.get("weights", {step["target"]: 100})
        write_route(
            tmp_path / "routing.json",
            target=f"{step['target']}/m",
            targets={f"{name}/m": fields for name, fields in described.items()},
            move=step["move"],
            weights={f"{name}/m": weight for name, weight in weights.items()},
        )
        found = {key: target.provider for key in step["keys"] if (target := routing.route("chat", key))}
        assert found == step["keys"]
