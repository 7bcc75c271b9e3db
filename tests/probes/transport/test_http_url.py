"""Addresses, as a connection and a request need them."""

import pytest

from probes.transport.http_url import UnusableUrlError, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "target"),
    [
        ("http://x.example", "x.example", 80, "x.example", "/"),
        ("https://X.Example/v1", "x.example", 443, "x.example", "/v1"),
        ("https://x.example:443/v1?a=b&c=d", "x.example", 443, "x.example", "/v1?a=b&c=d"),
        ("http://x.example:8080/a%2Fb/c:d", "x.example", 8080, "x.example:8080", "/a%2Fb/c:d"),
        ("http://me:hush@x.example/v1#part", "x.example", 80, "x.example", "/v1"),
        ("http://[2001:DB8::1]:81/", "2001:db8::1", 81, "[2001:db8::1]:81", "/"),
        ("http://ß.example/é b?q=日", "xn--zca.example", 80, "xn--zca.example", "/%C3%A9%20b?q=%E6%97%A5"),
        ('http://x.example/<a>"{b}', "x.example", 80, "x.example", "/%3Ca%3E%22%7Bb%7D"),
        ("http://x.example?a", "x.example", 80, "x.example", "/?a"),
    ],
)
def test_an_address_in_parts(url: str, host: str, port: int, authority: str, target: str) -> None:
    """What is sent is ASCII without line ends, whatever the address holds; a password is not sent."""
    found = parse_url(url)

    assert (found.host, found.port, found.authority, found.target) == (host, port, authority, target)
    assert str(found) == f"{found.scheme}://{authority}{target}"
    assert found.host_and_port.endswith(f":{port}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x.example",
        "//x.example",
        "ftp://x",
        "http://",
        "http:///v1",
        "http://[",
        "http://x:99999",
        "socks5://x",
        "http://x/\r\n",
    ],
)
def test_what_is_no_address(url: str) -> None:
    """Anything else is told, before a connection is made."""
    with pytest.raises(UnusableUrlError):
        parse_url(url)
