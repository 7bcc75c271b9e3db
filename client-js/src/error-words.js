// What providers write into their errors. Written by `make reference` from hotspare_client/error_words.py: edit that.
export const TOO_LONG = "too_long";
/** @type {{ outcome: string, codes: Set<string>, statuses: Set<number>, words: RegExp | null }[]} */
export const RULES = [
  { outcome: "rate_limited", codes: new Set(), statuses: new Set([200, 400, 403, 413, 429]),
    words: /\b(per|a|each|every|over|within)[ -]?(\d+ )?(minute|min|second|sec)s?\b|(?<![a-z])[rtq]p[ms](?![a-z])|\bconcurren(t|cy)\b|rate exceeded|rate limit reached for model|速率|频率|每分钟|并发|^(?:(?![\s\S]*per[\s\S]?day)(?=[\s\S]*resource_exhausted)[\s\S]*exceeded your current quota)/i },
  { outcome: "quota", codes: new Set(["1008", "1113", "accountoverdueerror", "arrearage", "billing_error", "credit_balance_exhausted", "credit_limit", "insufficient_balance", "insufficient_quota", "quota_per_day", "servicequotaexceededexception", "usage_limit_reached"]), statuses: new Set([200, 400, 401, 402, 403, 412, 429]),
    words: /\b(balance|credits?|funds|billing|payment|invoice|arrears?|overdue|prepa(id|yment)|recharge|top[ -]?up|spend(ing)?)\b|\b(usage|spending|session|key|budget|monthly|daily|weekly) (usage )?limits?\b|budget [^\n]{0,20}exceeded|tokens? per day|exceeded your current quota|quota (is )?(exhausted|used up|exceeded)|insufficient[^\n]{0,10}quota|per[ _]?day|per month|\/ ?month|service quota|spend_limit|volume quota|余额|欠费|充值|套餐/i },
  { outcome: "auth", codes: new Set(["access_terminated", "account_deactivated", "invalid_api_key", "organization_restricted"]), statuses: new Set([200, 400, 403, 404, 429]),
    words: /\b(organi[sz]ation|account|project|workspace|tenant|subscription)\b[^\n]{0,60}\b(verif(ied|y)|disabled|restricted|suspended|deactivated|terminated|blocked|not authori[sz]ed|flagged)\b|(countr(y|ies)|region|territor(y|ies)|location)\b[^\n]{0,40}(not supported|unsupported|not available)|operation not allowed/i },
  { outcome: "overloaded", codes: new Set(["1305", "modelnotreadyexception", "overloaded_error", "slow_down"]), statuses: new Set([200, 400, 403, 429]),
    words: /overload|saturated|\bbusy\b|(high|heavy|peak) (demand|traffic|load)|capacity\b|no (healthy|available) \w+|cooldown|resource (has been )?exhausted|rate-limited upstream|try again later\b[^\n]{0,20}unavailable|过载|繁忙|拥挤/i },
  { outcome: "rate_limited", codes: new Set(["rate_limit_error", "rate_limit_exceeded", "throttlingexception", "toomanyrequestsexception"]), statuses: new Set([200, 400, 403]),
    words: /rate[^\n]?limit|too many requests|throttl/i },
  { outcome: "too_long", codes: new Set(["context_length_exceeded", "request_too_large"]), statuses: new Set([200, 400, 422]),
    words: /context[ _-]?(length|window|limit|size)|maximum (context|prompt|input)|(prompt|input|request|messages?|conversation) (is |are |was )?too (long|large|big|many)|too many (input |total )?tokens|reduce the length|input token count|(exceeds?|over|above|larger than) [^\n]{0,60}(number of tokens|token limit|context|max(imum)?[ _]\w*tokens)|上下文[^\n]{0,6}(长|超)|输入[^\n]{0,6}(过长|超长|超过)/i },
  { outcome: "refused", codes: new Set(["content_filter", "content_policy_violation", "data_inspection_failed", "invalid_prompt", "responsibleaipolicyviolation"]), statuses: new Set([200, 400, 403, 422]),
    words: /\bmoderation\b|safety (system|filter|policy|violation)|(content|usage) (management )?polic(y|ies)|content[^\n]?filter|(input|prompt|content|request) (was|is|has been) (flagged|blocked)|blocked (input|output)|inappropriate content|sensitive (content|words?)|敏感|违规|内容安全/i },
  { outcome: "model_gone", codes: new Set(["deploymentnotfound", "invalid_model", "key_model_access_denied", "model_decommissioned", "model_not_available", "model_not_found", "not_found", "not_found_error", "unknown_model"]), statuses: new Set([]),
    words: null },
  { outcome: "bad_answer", codes: new Set(["json_validate_failed", "tool_use_failed"]), statuses: new Set([]),
    words: null },
  { outcome: "budget_spent", codes: new Set(), statuses: new Set([200, 400]),
    words: /max_tokens or model output limit was reached/i },
  { outcome: "auth", codes: new Set(["authentication_error", "invalid_token", "permission_error", "unauthorized"]), statuses: new Set([200, 400, 422, 498]),
    words: /(api|access)[ _-]?key|api[ _-]?token|\bcredentials?\b|unauthori[sz]ed|permission denied|\bsignature\b|access denied|security token|authenticat|forbidden|密钥|令牌|鉴权/i },
  { outcome: "bad_request", codes: new Set(["integer_below_min_value", "invalid_value", "unknown_parameter", "unsupported_parameter", "unsupported_value"]), statuses: new Set([400, 422]),
    words: /\b(parameter|argument|field|property|schema|tools?|tool_choice|temperature|max_tokens|thinking|response_format)\b(?![^\n]{0,30}model_?id)/i },
  { outcome: "model_gone", codes: new Set(), statuses: new Set([200, 400, 403, 404, 410]),
    words: /\b(model|deployment|engine|endpoint)s?\b[^\n]{0,120}(does not|doesn[^\n]t) exist|\bmodel\b[^\n]{0,160}\b(not found|no longer|retired|decommissioned|deprecated\b(?![^\n]{0,30}parameter)|end of (its )?life|removed|unavailable|not available|denied|not exist|legacy|on-demand throughput|is not supported|not_found)\b|\bmodel (identifier |id |name )?(\S+ )?is (not valid|invalid)|(unknown|invalid|unrecogni[sz]ed|no such|not a valid) (model|deployment)|invalid model|access to (the )?model|模型[^\n]{0,20}(不存在|下线)|\bmodels\/\S+ is not found|(doesn[^\n]t|does not) support the model|unable to access model|no endpoints found/i },
  { outcome: "server_error", codes: new Set(), statuses: new Set([200, 400, 403, 404]),
    words: /\b(upstream|backend|origin|gateway|provider)\b[^\n]{0,60}(fail|error|unavailable|timed? ?out|unreachable|refused|reset)|failed to (connect|get (a )?response)|endpoint is paused|internal (server )?error|bad gateway|service unavailable|fail(ed|ure)[^\n]{0,40}\b(upstream|backend|provider)\b/i },
];
export const CODES_AMONG_WORDS = new Set(["resource_exhausted"]);
/** @type {Map<string, string>} */
export const IN_STREAM = new Map(Object.entries({"invalid_request_error": "bad_request", "invalid_argument": "bad_request", "unauthenticated": "auth", "permission_denied": "auth", "unavailable": "overloaded"}));
/** @type {Map<number, string>} */
export const BY_STATUS = new Map([[400, "bad_request"], [401, "auth"], [402, "quota"], [403, "auth"], [404, "unreachable"], [405, "unreachable"], [406, "bad_request"], [407, "auth"], [408, "server_error"], [409, "bad_request"], [410, "model_gone"], [411, "bad_request"], [412, "bad_request"], [413, "too_long"], [415, "bad_request"], [417, "bad_request"], [421, "unreachable"], [422, "bad_request"], [424, "server_error"], [425, "server_error"], [428, "bad_request"], [429, "rate_limited"], [431, "bad_request"], [451, "unreachable"], [498, "overloaded"], [499, "server_error"], [500, "server_error"], [501, "server_error"], [502, "server_error"], [503, "overloaded"], [504, "server_error"], [511, "unreachable"], [529, "overloaded"]]);
export const BY_CLASS = [
  { pattern: /Timeout|DeadlineExceeded/, outcome: "timeout" },
  { pattern: /RateLimit|TooManyRequests|Throttl|ResourceExhausted/, outcome: "rate_limited" },
  { pattern: /Overloaded|ServiceUnavailable|Capacity/, outcome: "overloaded" },
  { pattern: /InternalServer|^ServerError|BadGateway|JSONDecodeError|ResponseValidation/, outcome: "server_error" },
  { pattern: /ContextWindow|ContextLength/, outcome: "too_long" },
  { pattern: /ContentFilter|ContentPolicy/, outcome: "refused" },
  { pattern: /Authentication|PermissionDenied|Unauthorized|CredentialsError|CredentialError|MissingKey/, outcome: "auth" },
  { pattern: /BadRequest|InvalidRequest|UnprocessableEntity/, outcome: "bad_request" },
  { pattern: /Connect|Network|RemoteProtocol|RemoteDisconnected|ServerDisconnected|ReadError|WriteError|ProtocolError|IncompleteRead|ChunkedEncoding|BrokenPipe|TransportError|gaierror|SSLError|SSLCert|ProxyError|PayloadError/, outcome: "unreachable" },
  { pattern: /^APIError$/, outcome: "server_error" },
];
export const NOT_BEGUN = /Connect(ion)?Timeout|PoolTimeout|^ConnectError|ConnectionRefused|gaierror|NameResolution|NewConnection|SSLCert|SSLError|ClientConnector|EndpointConnection|ProxyError/;
export const NOT_BEGUN_WORDS = /name or service not known|name resolution|nodename nor servname|getaddrinfo|connection refused|certificate verify|handshake|no route to host|network is unreachable|failed to establish a new connection/i;
export const WAIT_WORDS = /(?:try again|retry)(?: after| in)? (\d{1,6}(?:\.\d{1,9})?) ?(ms|s)\b/i;
