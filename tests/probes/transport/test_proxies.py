"""Which proxy leads where: the configuration, the variables of the environment, and their exceptions."""

from collections.abc import Callable

import pytest

from probes.transport.proxies import Proxies, UnusableProxyError, is_excepted
from tests.support.servers import PROXY_VARIABLES


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without any of the variables."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def found(url: str, configured: str | None = None) -> str | None:
    """The address of the proxy."""
    proxy = Proxies(configured).proxy_for(url)
    return f"{proxy.url.scheme}://{proxy.url.authority}" if proxy else None


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_the_variables_are_honoured(spelling: Callable[[str], str], environment: pytest.MonkeyPatch) -> None:
    """By the scheme of the address, else the one for all; a bare host means http."""
    environment.setenv(spelling("all_proxy"), "http://all:1")
    assert (found("http://x.example/v1"), found("https://x.example/v1")) == ("http://all:1", "http://all:1")
    environment.setenv(spelling("https_proxy"), "secure:2")
    assert (found("http://x.example/v1"), found("https://x.example/v1")) == ("http://all:1", "http://secure:2")
    environment.setenv(spelling("no_proxy"), "x.example")
    assert found("https://x.example/v1") is None


def test_the_configuration_comes_first(environment: pytest.MonkeyPatch) -> None:
    """`network.proxy` is for every address, whatever the environment says, but this machine's own."""
    environment.setenv("HTTPS_PROXY", "http://env:1")
    environment.setenv("NO_PROXY", "*")
    assert found("https://x.example", "http://configured:2") == "http://configured:2"
    for local in ("http://localhost:80", "http://127.0.0.5", "https://[::1]:1"):
        assert found(local, "http://configured:2") is None


@pytest.mark.parametrize("nonsense", ["ftp://x:1", "http://", "://", "socks4://x:1", "x y"])
def test_a_proxy_that_is_none_is_told_without_its_password(nonsense: str) -> None:
    """The message names where it came from and what was expected."""
    with pytest.raises(UnusableProxyError, match=r"network\.proxy.*http://host") as raised:
        Proxies(nonsense.replace("://", "://me:hush@")).proxy_for("https://x.example")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("", "x.example", False),
        ("*", "x.example", True),
        ("x.example", "x.example", True),
        ("x.example", "a.x.example", True),
        ("x.example", "notx.example", False),
        (".x.example", "a.x.example", True),
        (".x.example", "x.example", True),
        ("*.x.example", "a.x.example", True),
        ("X.Example", "x.example", True),
        ("a.example, x.example", "x.example", True),
        ("a.example x.example", "x.example", True),
        ("x.example:443", "x.example", True),
        ("x.example:80", "x.example", False),
        ("x.example.", "x.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("[2001:db8::1]:443", "2001:db8::1", True),
        (",, ,", "x.example", False),
        (".", "x.example", False),
        ("10.0.0.0/99", "10.1.2.3", False),
    ],
)
def test_exceptions(no_proxy: str, host: str, *, direct: bool) -> None:
    """Names with what is below them, ports, addresses and networks, as curl reads them."""
    assert is_excepted(host, 443, no_proxy) is direct
