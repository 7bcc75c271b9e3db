"""What providers write into their errors, as codes and as patterns: which outcome they stand for."""

from __future__ import annotations

import re
from typing import NamedTuple


class Rule(NamedTuple):
    """An error with one of the codes, or whose words match at one of the statuses, is this outcome."""

    outcome: str
    codes: frozenset[str]
    statuses: frozenset[int] = frozenset()
    words: re.Pattern[str] | None = None


def _rule(outcome: str, codes: str = "", statuses: str = "", words: str = "") -> Rule:
    pattern = re.compile(words, re.IGNORECASE | re.ASCII) if words else None
    return Rule(outcome, frozenset(codes.lower().split()), frozenset(map(int, statuses.split())), pattern)


#: Not a word of the taxonomy: a `bad_request` that a target with a larger context may answer.
TOO_LONG = "too_long"

_PER_MINUTE = (
    r"\b(per|a|each|every|over|within)[ -]?(\d+ )?(minute|min|second|sec)s?\b|(?<![a-z])[rtq]p[ms](?![a-z])"
    r"|\bconcurren(t|cy)\b|rate exceeded|rate limit reached for model|速率|频率|每分钟|并发"
    # Google answers so at every limit.
    r"|^(?s:(?!.*per.?day)(?=.*resource_exhausted).*exceeded your current quota)"
)
_MONEY = (
    r"\b(balance|credits?|funds|billing|payment|invoice|arrears?|overdue|prepa(id|yment)|recharge"
    r"|top[ -]?up|spend(ing)?)\b"
    r"|\b(usage|spending|session|key|budget|monthly|daily|weekly) (usage )?limits?\b|budget .{0,20}exceeded"
    r"|tokens? per day"
    r"|exceeded your current quota|quota (is )?(exhausted|used up|exceeded)|insufficient.{0,10}quota|per[ _]?day"
    r"|per month|/ ?month|service quota|spend_limit|volume quota"
    r"|余额|欠费|充值|套餐"
)
_CLOSED = (
    r"\b(organi[sz]ation|account|project|workspace|tenant|subscription)\b.{0,60}\b(verif(ied|y)|disabled|restricted"
    r"|suspended|deactivated|terminated|blocked|not authori[sz]ed|flagged)\b"
    r"|(countr(y|ies)|region|territor(y|ies)|location)\b.{0,40}(not supported|unsupported|not available)"
    r"|operation not allowed"
)
_CAPACITY = (
    r"overload|saturated|\bbusy\b|(high|heavy|peak) (demand|traffic|load)|capacity\b|no (healthy|available) \w+"
    r"|cooldown|resource (has been )?exhausted|rate-limited upstream|try again later\b.{0,20}unavailable|过载|繁忙|拥挤"
)
_LONG = (
    r"context[ _-]?(length|window|limit|size)|maximum (context|prompt|input)"
    r"|(prompt|input|request|messages?|conversation) (is |are |was )?too (long|large|big|many)"
    r"|too many (input |total )?tokens|reduce the length"
    r"|input token count"
    r"|(exceeds?|over|above|larger than) .{0,60}(number of tokens|token limit|context|max(imum)?[ _]\w*tokens)"
    r"|上下文.{0,6}(长|超)|输入.{0,6}(过长|超长|超过)"
)
_REFUSAL = (
    r"\bmoderation\b|safety (system|filter|policy|violation)|(content|usage) (management )?polic(y|ies)|content.?filter"
    r"|(input|prompt|content|request) (was|is|has been) (flagged|blocked)|blocked (input|output)|inappropriate content"
    r"|sensitive (content|words?)|敏感|违规|内容安全"
)
_GONE = (
    r"\b(model|deployment|engine|endpoint)s?\b.{0,120}(does not|doesn.t) exist"
    r"|\bmodel\b.{0,160}\b(not found|no longer|retired|decommissioned"
    r"|deprecated\b(?!.{0,30}parameter)|end of (its )?life|removed"
    r"|unavailable|not available|denied"
    r"|not exist|legacy|on-demand throughput|is not supported|not_found)\b"
    r"|\bmodel (identifier |id |name )?(\S+ )?is (not valid|invalid)"
    r"|(unknown|invalid|unrecogni[sz]ed|no such|not a valid) (model|deployment)|invalid model|access to (the )?model"
    r"|模型.{0,20}(不存在|下线)"
    r"|\bmodels/\S+ is not found|(doesn.t|does not) support the model|unable to access model|no endpoints found"
)
_KEY = (
    r"(api|access)[ _-]?key|api[ _-]?token|\bcredentials?\b|unauthori[sz]ed|permission denied|\bsignature\b"
    r"|access denied|security token|authenticat|forbidden|密钥|令牌|鉴权"
)
_BEHIND = (
    r"\b(upstream|backend|origin|gateway|provider)\b.{0,60}(fail|error|unavailable|timed? ?out|unreachable|refused"
    r"|reset)|failed to (connect|get (a )?response)|endpoint is paused|internal (server )?error|bad gateway"
    r"|service unavailable|fail(ed|ure).{0,40}\b(upstream|backend|provider)\b"
)

#: The first that applies decides. Without a status (an error inside a stream) words count as with HTTP 200.
RULES = (
    _rule("rate_limited", statuses="200 400 403 413 429", words=_PER_MINUTE),
    _rule(
        "quota",
        "insufficient_quota billing_error credit_limit credit_balance_exhausted usage_limit_reached "
        "insufficient_balance arrearage accountoverdueerror servicequotaexceededexception quota_per_day 1113 1008",
        "200 400 401 402 403 412 429",
        _MONEY,
    ),
    _rule(
        "auth",
        "invalid_api_key account_deactivated organization_restricted access_terminated",
        "200 400 403 404 429",
        _CLOSED,
    ),
    _rule("overloaded", "slow_down overloaded_error modelnotreadyexception 1305", "200 400 403 429", _CAPACITY),
    _rule(
        "rate_limited",
        "rate_limit_exceeded rate_limit_error throttlingexception toomanyrequestsexception",
        "200 400 403",
        r"rate.?limit|too many requests|throttl",
    ),
    _rule(TOO_LONG, "context_length_exceeded request_too_large", "200 400 422", _LONG),
    _rule(
        "refused",
        "content_filter content_policy_violation responsibleaipolicyviolation invalid_prompt data_inspection_failed",
        "200 400 403 422",
        _REFUSAL,
    ),
    _rule(
        "model_gone",
        "model_not_found model_not_available model_decommissioned deploymentnotfound unknown_model invalid_model "
        "not_found_error not_found key_model_access_denied",
    ),
    _rule("bad_answer", "tool_use_failed json_validate_failed"),
    _rule("budget_spent", statuses="200 400", words="max_tokens or model output limit was reached"),
    _rule("auth", "authentication_error permission_error unauthorized invalid_token", "200 400 422 498", _KEY),
    _rule(
        "bad_request",
        "unsupported_parameter unsupported_value unknown_parameter invalid_value integer_below_min_value",
        "400 422",
        r"\b(parameter|argument|field|property|schema|tools?|tool_choice|temperature|max_tokens|thinking|response_format)\b"
        r"(?!.{0,30}model_?id)",
    ),
    _rule("model_gone", statuses="200 400 403 404 410", words=_GONE),
    _rule("server_error", statuses="200 400 403 404", words=_BEHIND),
)
CODES_AMONG_WORDS = {"resource_exhausted"}
#: Codes that say less than a status: they count where there is none, inside a stream.
IN_STREAM = {
    **dict.fromkeys(("invalid_request_error", "invalid_argument"), "bad_request"),
    **dict.fromkeys(("unauthenticated", "permission_denied"), "auth"),
    "unavailable": "overloaded",
}

#: What a status means where no word says more.
BY_STATUS = {
    **dict.fromkeys((400, 406, 409, 411, 412, 415, 417, 422, 428, 431), "bad_request"),
    **dict.fromkeys((401, 403, 407), "auth"),
    402: "quota",
    **dict.fromkeys((404, 405, 421, 451, 511), "unreachable"),
    **dict.fromkeys((408, 424, 425, 499, 500, 501, 502, 504), "server_error"),
    410: "model_gone",
    413: TOO_LONG,
    429: "rate_limited",
    **dict.fromkeys((498, 503, 529), "overloaded"),
}

#: What the name of an exception's class says where there is no status; the first that occurs decides.
BY_CLASS = (
    (re.compile(r"Timeout|DeadlineExceeded"), "timeout"),
    (re.compile(r"RateLimit|TooManyRequests|Throttl|ResourceExhausted"), "rate_limited"),
    (re.compile(r"Overloaded|ServiceUnavailable|Capacity"), "overloaded"),
    (re.compile(r"InternalServer|^ServerError|BadGateway|JSONDecodeError|ResponseValidation"), "server_error"),
    (re.compile(r"ContextWindow|ContextLength"), TOO_LONG),
    (re.compile(r"ContentFilter|ContentPolicy"), "refused"),
    (re.compile(r"Authentication|PermissionDenied|Unauthorized|CredentialsError|CredentialError|MissingKey"), "auth"),
    (re.compile(r"BadRequest|InvalidRequest|UnprocessableEntity"), "bad_request"),
    (
        re.compile(
            r"Connect|Network|RemoteProtocol|RemoteDisconnected|ServerDisconnected|ReadError|WriteError|ProtocolError"
            r"|IncompleteRead|ChunkedEncoding|BrokenPipe|TransportError|gaierror|SSLError|SSLCert|ProxyError|PayloadError"
        ),
        "unreachable",
    ),
    (re.compile(r"^APIError$"), "server_error"),
)

#: Where the request cannot have reached the provider: names, addresses, TCP, TLS.
NOT_BEGUN = re.compile(
    r"Connect(ion)?Timeout|PoolTimeout|^ConnectError|ConnectionRefused|gaierror|NameResolution|NewConnection|SSLCert"
    r"|SSLError|ClientConnector|EndpointConnection|ProxyError"
)
NOT_BEGUN_WORDS = re.compile(
    r"name or service not known|name resolution|nodename nor servname|getaddrinfo|connection refused|certificate verify"
    r"|handshake|no route to host|network is unreachable|failed to establish a new connection",
    re.IGNORECASE | re.ASCII,
)
WAIT_WORDS = re.compile(r"(?:try again|retry)(?: after| in)? (\d{1,6}(?:\.\d{1,9})?) ?(ms|s)\b", re.IGNORECASE)
