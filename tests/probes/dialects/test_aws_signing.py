"""Signatures of AWS: made with whatever credentials this machine has, and never shown."""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from probes.dialects.aws_signing import Credentials, SigningError, sign
from probes.observation import Observation
from probes.outcome import Outcome
from probes.prober import Prober
from probes.request_reply import Request
from probes.target import Check, Provider, Secret, Target, Timeouts
from tests.support.bedrock_server import NONCE, Asked, answer, bedrock, correct_stream

#: Made up, after AWS's documentation.
ACCESS_KEY = "ASIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEKv7yQz0Wm4pT9sLd2Hc8uRb1Nf6Gj3Xa5Ve+/Zk="
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": TOKEN}
CHAT = json.dumps(
    {"output": {"message": {"role": "assistant", "content": [{"text": NONCE}]}}, "stopReason": "end_turn"}
).encode()


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A machine without any credentials; the folder of its configuration.

    A search that a test has given up goes on in its thread, and would read the environment of the next test.
    """
    for name in os.environ:
        if name.startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    yield tmp_path
    for thread in threading.enumerate():
        if thread.name == "aws-credentials":
            thread.join(30)


@pytest.fixture
def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary credentials in the environment."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def new_prober() -> Prober:
    """A prober whose every nonce is the same."""
    return Prober(clock=lambda: datetime.now(UTC), nonce=lambda: NONCE)


def target(base_url: str) -> Target:
    """A model whose requests are signed."""
    provider = Provider(
        name="aws", dialect="bedrock", base_url=base_url, api_key=Secret(""), region="eu-west-3", signing=True
    )
    patient = Timeouts(connect_s=30, first_token_s=30, total_s=30)
    return Target(provider=provider, model="eu.amazon.nova-micro-v1:0", timeouts=patient)


def expected_signature(asked: Asked, *, secret: str, region: str, service: str = "bedrock") -> str:
    """What AWS's documentation makes of a request: the signature over the headers that it says are signed."""
    named = asked.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    canonical = [asked.method, quote(asked.path, safe="/-_.~"), ""]
    canonical += [*(f"{name}:{asked.headers[name]}" for name in named.split(";")), "", named]
    canonical += [hashlib.sha256(asked.body).hexdigest()]
    at = asked.headers["x-amz-date"]
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashed}"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def test_the_documentation_is_followed_here() -> None:
    """The recomputation of these tests gives the signature of AWS's published example."""
    headers = {
        "host": "example.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=host;x-amz-date, Signature=…",
    }
    asked = Asked(method="GET", path="/", headers=headers, body=b"")

    found = expected_signature(asked, secret=SECRET_KEY, region="us-east-1", service="service")

    assert found == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


@pytest.mark.usefixtures("with_keys")
@pytest.mark.parametrize("check", [Check.CHAT, Check.STREAM])
async def test_a_signed_request_verifies(check: Check) -> None:
    """Over a real socket the signature is the one that the documentation asks for, token and path included."""
    seen: list[Asked] = []

    def reply(asked: Asked) -> bytes:
        seen.append(asked)
        return correct_stream() if check == Check.STREAM else answer(CHAT)

    async with bedrock(reply) as url:
        observation = await new_prober().probe(target(url), check)

    (asked,) = seen
    assert (observation.outcome, observation.detail) == (Outcome.OK, "")
    assert asked.path.startswith("/model/eu.amazon.nova-micro-v1%3A0/converse")
    assert asked.headers["x-amz-security-token"] == TOKEN
    said, _, signature = asked.headers["authorization"].partition(", Signature=")
    assert said.startswith(
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{asked.headers['x-amz-date'][:8]}/eu-west-3/bedrock/"
    )
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(said.split("SignedHeaders=")[1].split(";"))
    assert signature == expected_signature(asked, secret=SECRET_KEY, region="eu-west-3")


def test_parameters_are_signed_as_well() -> None:
    """The signature is over the body that is sent, whatever has been laid over it."""
    provider = target("https://bedrock-runtime.eu-west-3.amazonaws.com").provider
    provider = Provider(
        name="aws",
        dialect="bedrock",
        base_url=provider.base_url,
        api_key=Secret(f"{ACCESS_KEY}\n{SECRET_KEY}\n"),
        region="eu-west-3",
        signing=True,
    )
    one, other = (
        sign(Request(url=f"{provider.base_url}/model/m/converse", headers={"accept": "*/*"}, body=body), provider)
        for body in ({}, {"a": 1})
    )

    assert one.headers["Authorization"].split("Signature=")[1] != other.headers["Authorization"].split("Signature=")[1]
    assert one.headers["accept"] == "*/*"
    assert "X-Amz-Security-Token" not in one.headers, "credentials that last have no token"


def refusal(asked: Asked) -> bytes:
    """AWS's answer to a wrong signature, which repeats nearly all that it was sent."""
    lines = "\n".join(f"{name}:{value}" for name, value in asked.headers.items())
    told = f"{SECRET_KEY} {TOKEN[:20]} The request signature we calculated does not match. "
    told += f"The Canonical String for this request should have been\n'POST\n{asked.path}\n\n{lines}'"
    kind = "x-amzn-ErrorType: InvalidSignatureException:http://internal.amazon.com/\r\n"
    return answer(json.dumps({"message": told}).encode(), status=403, headers=kind)


def echo(asked: Asked) -> bytes:
    """Something that is not AWS and sends everything back as it came."""
    return answer(json.dumps({"error": f"{dict(asked.headers)} {SECRET_KEY}"}).encode(), status=403)


def in_the_stream(asked: Asked) -> bytes:
    """The same in the text of a correct answer."""
    return answer(CHAT.replace(NONCE.encode(), f"{asked.headers['x-amz-security-token']} {ACCESS_KEY}".encode()))


@pytest.mark.usefixtures("with_keys")
@pytest.mark.parametrize("reply", [refusal, echo, in_the_stream])
async def test_no_part_of_the_credentials_is_shown(
    reply: Callable[[Asked], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither id nor secret nor token, nor a piece of them, is in an observation, in `once -v` or in a log."""
    caplog.set_level(logging.DEBUG)
    async with bedrock(reply) as url:
        examined = await new_prober().probe_with_transcript(target(url), Check.CHAT)

    shown = f"{examined!r} {caplog.text}"
    for secret in (ACCESS_KEY, SECRET_KEY, TOKEN):
        assert not [secret[i : i + 8] for i in range(len(secret) - 7) if secret[i : i + 8] in shown]
    expected = Outcome.BAD_ANSWER if reply is in_the_stream else Outcome.AUTH
    assert examined.observation.outcome is expected


async def probed() -> Observation:
    """A probe that does not get as far as a request."""
    return await new_prober().probe(target("http://127.0.0.1:9"), Check.CHAT)


async def test_no_credentials_say_what_to_set() -> None:
    """Where nothing is found, the account is not blamed: the sentence says what to set."""
    seen = await probed()

    assert seen.outcome is Outcome.AUTH
    assert seen.detail.startswith("no AWS credentials: set AWS_ACCESS_KEY_ID and")


async def test_without_botocore_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional, and its absence is no traceback."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)

    seen = await probed()

    assert seen.outcome is Outcome.AUTH
    assert "pip install 'hotspare[bedrock]'" in seen.detail


def profile(machine: Path, process: str) -> None:
    """A profile whose credentials come from a program of the company's own."""
    script = machine / "process"
    script.write_text(f"#!/bin/sh\n{process}\n")
    script.chmod(0o700)
    (machine / "config").write_text(f"[default]\ncredential_process = {script}\n")


async def test_a_failing_profile_is_named(machine: Path) -> None:
    """What a profile's own program complains of is passed on, in one line."""
    profile(machine, "echo 'session has ended, log in again' >&2; exit 1")

    seen = await probed()

    assert seen.outcome is Outcome.AUTH
    assert seen.detail.startswith("no AWS credentials: they could not be fetched: Error when retrieving")
    assert "log in again" in seen.detail


async def test_a_profile_that_fits_no_header_is_auth(machine: Path) -> None:
    """Which part is at fault is named as profiles name it."""
    given = {"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "s s"}
    profile(machine, f"echo '{json.dumps(given)}'")

    assert (await probed()).detail == (
        "no AWS credentials: aws_secret_access_key of the profile or role contains characters that an HTTP header may "
        "not contain"
    )


async def test_a_missing_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is not there is named."""
    monkeypatch.setenv("AWS_PROFILE", "nowhere")

    assert "nowhere" in (await probed()).detail


@pytest.mark.slow
async def test_a_service_out_of_reach_is_nobodys_key(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that cannot be asked for, the network being down, is a fault of the network."""
    (machine / "config").write_text(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nregion = eu-west-3\n"
        f"[profile base]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    seen = await probed()

    assert (seen.outcome, seen.failed_here) == (Outcome.UNREACHABLE, True)
    assert seen.detail.startswith("no AWS credentials: they could not be fetched: Could not connect")


async def test_a_search_that_hangs_costs_its_deadline(machine: Path) -> None:
    """Credentials that do not come are waited for no longer than a connection would be."""
    profile(machine, "sleep 1")

    with pytest.raises(SigningError, match=r"no AWS credentials within 0.05 s") as raised:
        await Credentials().secret(0.05)

    assert raised.value.outcome is Outcome.TIMEOUT


async def test_many_probes_share_one_search(machine: Path) -> None:
    """However many ask at once, a program is started once, and all get what it gives."""
    given = {"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "s"}
    profile(machine, f"echo . >> {machine}/asked; sleep 0.1; echo '{json.dumps(given)}'")
    credentials = Credentials()

    found = await asyncio.gather(*(credentials.secret(30) for _ in range(20)))

    assert {secret.reveal() for secret in found} == {"AKID\ns\n"}
    assert (machine / "asked").read_text() == ".\n"


@pytest.mark.parametrize("name", ENVIRONMENT)
async def test_credentials_that_fit_no_header_are_auth(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line end that was copied along is found before anything is sent, and its variable is named."""
    for known, value in ENVIRONMENT.items():
        monkeypatch.setenv(known, value + "\n" * (known == name))

    seen = await probed()

    assert (seen.outcome, seen.detail) == (
        Outcome.AUTH,
        f"no AWS credentials: {name} contains characters that an HTTP header may not contain",
    )


async def test_a_rewritten_file_is_noticed(machine: Path) -> None:
    """Credentials in a file are read again after a minute, and missing ones looked for after ten seconds."""
    now_s = 0.0
    credentials = Credentials(monotonic=lambda: now_s)

    def write(key: str) -> None:
        (machine / "credentials").write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=s\n")

    async def found() -> str:
        try:
            return (await credentials.secret(30)).reveal().split("\n")[0]
        except SigningError:
            return "none"

    assert await found() == "none"
    write("AKIDONE")
    assert await found() == "none"
    now_s += 10
    assert await found() == "AKIDONE"
    write("AKIDTWO")
    assert await found() == "AKIDONE"
    now_s += 60
    assert await found() == "AKIDTWO"


async def test_credentials_that_renew_themselves_are_kept(machine: Path) -> None:
    """A program is asked once for as long as what it gave is good, however often a probe asks."""
    now_s = 0.0
    credentials = Credentials(monotonic=lambda: now_s)
    given = {
        "Version": 1,
        "AccessKeyId": "AKID",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    profile(machine, f"echo . >> {machine}/asked; echo '{json.dumps(given)}'")

    for _ in range(3):
        assert (await credentials.secret(30)).reveal() == "AKID\ns\nt"
        now_s += 3600
    assert (machine / "asked").read_text() == ".\n"
