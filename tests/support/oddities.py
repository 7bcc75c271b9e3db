"""What no provider should send, and somebody once did: values, headers and bytes for `tests/support/mutations.py`."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from tests.probes.test_outcome import NONCE

KEY: Final = "sk-proj-Zx81mQp4vTe7LrW2"

#: What stands where something else is expected.
ODD_VALUES: Final[Sequence[Any]] = (
    *(None, True, False, 0, -1, 1, 429, 503, 1.5, 1e308, -1e-308, 10**20, 10**400, 2**63, float("nan"), float("inf")),
    *("", " ", "\0", "429", "error", NONCE, "1e999", "\ud800", "\u202e<!channel>", "٤٢٩", "x" * 5000, "2" * 400),
    *(
        f"Bearer {KEY}",
        KEY,
        KEY[4:14],
        base64.b64encode(KEY.encode()).decode(),
        "\\u0073" + KEY[1:],
    ),
    *("try again in " * 300, "models/" * 500, "1m" * 2000, "a: " * 1000, "2026-11-21 " * 300, "sk-" * 1000),
    *([], {}, [[]], [{}], [None], {"": None}, {"error": {}}, {"message": {"message": []}}, [1, "a", {}], [0.0] * 5),
    {"type": "error", "error": {"type": [], "code": {}, "message": 7}},
)
#: Put into the text of JSON as they are, because nobody could write them.
RAW_VALUES: Final = (
    *("1e999", "-1e999", "9" * 5000, "-0", "NaN", "Infinity", '"\\ud83d"', '"\\u0000"', "1" + "0" * 400),
    *(
        "[" * 500 + "]" * 500,
        "[" * 100_000,
        '{"a":' * 400 + "1" + "}" * 400,
        '{"a":' * 50_000,
        "[" + "0," * 2000 + "0]",
    ),
)
TOKENS: Final = (
    *(
        b"\xff",
        b"\0",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n\n",
        b"\r\n\r\n",
        b"data: ",
        b"data:",
        b"event: error\n",
        b": \n",
        b"[",
    ),
    *(
        b"data: [DONE]\n\n",
        b'{"error":{}}',
        b"<html>",
        b"</title>",
        b"<title>",
        b"\\ud800",
        b"\xed\xa0\x80",
        b"\x1f\x8b",
    ),
    *(b"\x00\x00\x00\x10\x00\x00\x00\x00", b"{", b"}", b'"', b"\xe2\x80", KEY.encode(), b"\x1b[2J", b"<!channel>"),
)
HEADERS: Final = (
    *(("content-type", value) for value in ("application/json", "text/event-stream", "text/html", "", "\xff", ";")),
    *(("content-type", f"application/{kind}") for kind in ("vnd.amazon.eventstream", "json; charset=x", "x-ndjson")),
    *(
        ("retry-after", value)
        for value in ("0", "-1", "nan", "inf", "1e400", "9" * 400, "Wed, 21 Oct 2015 07:28:00 GMT")
    ),
    *(
        ("retry-after", value)
        for value in ("Fri, 31 Dec 99999 23:59:59 GMT", "1m30s", "٣", "Thu, 01 Jan 0001 00:00:00 +2359")
    ),
    *(("retry-after-ms", value) for value in ("1e309", "-5", "250", "x")),
    *((name, KEY) for name in ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "location")),
    *(("x-request-id", value) for value in ("x" * 5000, "\x07\xe9", "", "<!channel>")),
    *(
        ("location", value)
        for value in ("http://[", f"https://u:{KEY}@x/{KEY}?k={KEY}", "//", "\xff", "http://x:99999999/")
    ),
    *(("content-encoding", value) for value in ("gzip", "deflate", "br", "gzip, gzip", "identity", "x" * 200)),
    *(("x-amzn-errortype", value) for value in ("ThrottlingException:http://x/", ":", KEY, "\xff" * 300, "x" * 5000)),
    *(
        (f"x-ratelimit-reset{part}", value)
        for part in ("", "-tokens", "-requests")
        for value in ("6m0s", "1e999", "-1")
    ),
    *(("x-ratelimit-remaining-tokens", value) for value in ("0", "-1", "x", "9" * 400)),
    *(("deprecation", value) for value in ("true", KEY, "@1e999", "\xff")),
    *(("sunset", value) for value in ("Wed, 21 Oct 2015 07:28:00 GMT", KEY)),
    *(("x-model-deprecation", KEY), ("warning", f'299 - "{KEY}"'), ("date", "x"), ("transfer-encoding", "chunked")),
)
STATUSES: Final = (
    *(200, 200, 200, 201, 204, 206, 299, 300, 301, 307, 400, 401, 402, 403, 404, 408, 409, 413, 422, 424, 429, 429),
    *(498, 499, 500, 502, 503, 504, 511, 520, 529, 599, 600, 999, 100),
)
