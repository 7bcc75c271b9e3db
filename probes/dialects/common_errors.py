"""The rules for errors that any provider may send, whatever its dialect: English, Chinese, some words of others.

Compatible servers and gateways pass on the errors of others, so codes and words are shared. Order matters: a limit of a
minute before a spent quota, a spent quota before a closed account, the vendor's capacity before our rate limit, and all
of them before the generic codes of a bad request.
"""

from typing import Final

from probes.dialects.error_rules import ErrorRule
from probes.outcome import Outcome

_LIMIT: Final = r"(limit|cap|quota|allowance|allotment|budget)s?"
_PERIOD: Final = (
    r"(month|week|dai|year|\d[ -]?hour|billing|spend|credit|budget|account|key|plan|package|session|usage|volume"
    r"|contract)"
)
_SPENT: Final = r"(exceed(ed|ing|s)|reach(ed|ing)|exhausted|hit|depleted|used up|r[ua]n out)"
_EMPTY: Final = (
    r"(insufficient|exhausted|depleted|used up|too low|(not |in)?(enough|sufficient)|overdue|negative|expired)"
)
_MONEY: Final = r"(balance|credits?|funds|money|resource (pack|package))"
_KIND: Final = rf"({_PERIOD}\w* |available |remaining |user |token |api |prepaid |more )*"
_WHOSE: Final = r"( of)?( (your|the|its|this|our|all|specified|api|current|free|included|assigned))*"
_NO_MONEY: Final = "|".join(
    (
        rf"(insufficient|not enough|no|any|zero|negative|overdue|out of|used all) {_KIND}{_MONEY}\b",
        rf"{_MONEY}\b.{{0,20}}\b(is|are|was|has|have|been)\b.{{0,20}}{_EMPTY}",
        r"insufficient[ _](user[ _]|account[ _])?quota|quota (is )?not enough|out of (call volume )?quota",
        r"arrear|past due|overdue|unpaid|good standing|delinquent",
        r"payment (is )?(required|instrument|failed)|payment method(?!.{0,40}\b(raise|increase|higher)\b)",
        r"top[ -]?(it |up|your account)|recharge",
        rf"{_PERIOD}(ly|ing)?[^.:]{{0,25}} {_LIMIT}\b[^.:]{{0,30}}{_SPENT}",
        rf"{_PERIOD}(ly|ing)? {_LIMIT}\b[^.:]{{0,30}}{_SPENT}",
        rf"{_SPENT}{_WHOSE} {_PERIOD}\w*([^.:]{{0,25}} ({_LIMIT}|credits?)\b|\b)(?<!account)(?<!key)",
        rf"{_SPENT}( your| the| its)? current quota|(over|exceeded) (your |the |its )?budget|budget .{{0,20}}exceeded",
        rf"(plan|package|subscription|trial|free (tier|allocated|quota|allocation|credits?))\b[^.:]{{0,30}}{_SPENT}",
        r"(plan|package|trial|credits) (has |have |is |are )?(already )?expired|expired (plan|package|credits)",
        r"requires billing|enable billing|billing (account|details|to be enabled)|billing .{0,40}(disabled|not active)",
        rf"(calls|requests|tokens)\s?(/|per)\s?month|used up your .{{0,30}}({_LIMIT}|allocation)\b",
        rf"{_LIMIT}\b.{{0,20}}{_SPENT} for (this|the|your) {_PERIOD}|exceeded the {_LIMIT} of your {_PERIOD}",
        rf"total request limit|reached the set .{{0,20}}{_LIMIT}\b",
        r"余额|餘額|欠[费費]|充值|儲值|逾期|账单|资源包|[额額]度.{0,4}(用完|用尽|耗尽|不足|超|上限)|配额.{0,4}(用完|用尽|耗尽|不足)",
        r"(包|次数).{0,6}(用完|用尽|耗尽|到期)",
        r"套餐.{0,6}(到期|用完|用尽|过期|耗尽)|(每周|每月|本月|本周|月度|小时).{0,8}(上限|限额)",
        r"用量.{0,6}(用尽|超出|达到)|使用上限",
        # German, Spanish and Portuguese, French, Japanese, Korean, Russian.
        r"guthaben|saldo insuficiente|créditos? insuficientes?|solde insuffisant|crédits? (épuisés?|insuffisants?)",
        r"残高|チャージ|クレジット.{0,4}不足|잔액|크레딧.{0,6}(부족|소진)|충전|недостаточно (средств|кредитов)|баланс",
    )
)
_ACCOUNT: Final = r"(organi[sz]ation|account|project|team|workspace|tenant|subscription|user|customer)\b"
_CLOSED: Final = r"(terminated|deactivated|suspended|disabled|banned|blocked|locked|closed|frozen|flagged)"
_NOT_PERMITTED: Final = "|".join(
    (
        rf"{_ACCOUNT}[^.]{{0,40}}\b(must|needs?|has|have|requires?|is|not)\b[^.]{{0,20}}\bverif(ied|y|ication)",
        r"verify your (organi[sz]ation|account|identity|phone)|(identity|real.?name) (verification|authentication)",
        rf"{_ACCOUNT}[^.]{{0,30}}\b(not|isn.t)( been| yet)* (authori[sz]ed|permitted|allowed|enabled|approved|active)",
        rf"{_ACCOUNT}[^.]{{0,30}}\b{_CLOSED}",
        rf"{_ACCOUNT}[^.]{{0,30}}\b(does not|doesn.t) have (access|permission)(?![^.]*(…|\bmodel|\bit\b))",
        r"access (to (this|the) (api|service|account) )?(has been |is |was )?(terminated|revoked|suspended)",
        r"(no|without an?|not have an?|any) (active |valid )?subscription|not subscribed",
        r"subscription (is )?(required|needed|inactive)|subscription (does not|doesn.t) include",
        r"(country|region|territory|location)\b.{0,30}not supported|is not supported in your (country|region)",
        r"unsupported (countr|region|territor|location)",
        r"实名|未(认证|开通|激活|授权)|账[号户].{0,12}(封|禁|锁|冻结|停用|异常|注销)|无权限?(访问|使用|调用)|没有.{0,10}权限",
    )
)
_SERVERS: Final = r"(deployments?|upstream|channels?|workers?|replicas?|instances?|servers?|providers?)"
_WHICH: Final = r"( (its|the|our|server|service|model|full|maximum|max|available|current|gpu))*"
_NO_CAPACITY: Final = "|".join(
    (
        r"overload(ed)?|saturated|\bbusy\b|high (demand|traffic|load|volume)|heavy (load|traffic|demand)",
        rf"(no|insufficient|not enough|out of|lack of|limited|at|over|max|maximum|exceed(ed|s|ing)?){_WHICH} capacity",
        r"(due to|because of) (\w+ )?capacity",
        r"capacity (is |has been |was )?(exceeded|exhausted|reached|constrained|constraints?)",
        r"resource (has been )?exhausted|rate-limited upstream|queue (is |limit )?(full|exceeded)",
        rf"no (healthy|available) {_SERVERS}|no {_SERVERS} (is |are )?available|selected model are in cooldown",
        r"(currently|still|is) (loading|warming up|starting up)|loading model",
        r"过载|繁忙|访问量过大|负载|拥挤|排队|无可用渠道|算力不足|资源不足",
    )
)
_GONE: Final = (
    r"(does not|doesn.t) exist|not exist\b|(not|cannot) (be )?found|no longer|deprecated|decommissioned|retired"
    r"|not available|removed|discontinued|sunset|end of (its )?life|reached the end|shut ?down"
)
#: Of whom only the name is left: a proxy, a tunnel, a parked domain, a gateway without a route.
_NOT_THE_API: Final = (
    r"no route matched|route not found|default backend|no such (app|host)|application not found|unknown (host|domain)"
    r"|(tunnel|domain|site|host)\b.{0,60}(not found|offline|parked|for sale|not configured|does not exist)"
    r"|endpoint\b.{0,40}\bis offline|could not be found on\b"
    r"|https? request (was sent |sent )?to an? https? (server|port)|misdirected"
)
_GATEWAY_FAILED: Final = (
    r"upstream\b.{0,30}(unavailable|error|fail|timed? ?out|unreachable|refused|reset|no response)"
    r"|upstream\b.{0,30}not (available|responding)"
    r"|(failed|unable) to (connect to|(get|receive|fetch|obtain) (a |any )?response from)|bad gateway|gateway time-?out"
    r"|(backend|origin)\b.{0,30}(unavailable|unreachable|fail|refused|timed? ?out|not responding)|connection refused"
    r"|(endpoint|space|deployment|server|instance)\b.{0,20}\b(paused|stopped|sleeping|scaled ?to ?zero|not running)"
    r"|internal server error"
    # An edge (Cloudflare) in between, whose codes are its own.
    r"|^error code: 1\d{3}$"
)

COMMON_ERRORS: Final = (
    # Google answers so at every limit, those of a minute included.
    ErrorRule(Outcome.QUOTA, "quota_per_day quota_of_nothing"),
    ErrorRule(Outcome.RATE_LIMITED, "resource_exhausted", message=r"exceeded your current quota"),
    ErrorRule(
        Outcome.RATE_LIMITED,
        statuses={200, 400, 403, 413, 429},
        message=r"(\bper|/)[ -]?(minute|min|second|sec)\b|\b[rtq]p[ms]\b|速率限制|频率|过于频繁|每分钟|并发",
    ),
    ErrorRule(
        Outcome.QUOTA,
        "insufficient_quota insufficient_user_quota insufficient_balance insufficient_balance_error insufficient_funds "
        "insufficient_credits not_enough_balance credit_balance_exhausted credits_exhausted credit_limit "
        "billing_hard_limit_reached billing_not_active billing_disabled billing_error payment_required budget_exceeded "
        "account_overdue AccountOverdueError arrearage InArrears PrepaidBillOverdue PostpaidBillOverdue "
        "CommodityNotPurchased exceeded_current_quota_error AllocationQuota.FreeTierOnly FreeResourcePackExhausted "
        "ResourcePackExhausted quota_exhausted user_quota_exceeded plan_expired monthly_limit_reached "
        "weekly_limit_reached usage_limit_reached enforced_spend_limit_reached contract_spend_limit_reached "
        "ServiceQuotaExceededException SetLimitExceeded "
        # Zhipu, MiniMax, SiliconFlow, Cloudflare.
        "1113 1304 1308 1309 1310 1008 2056 30001 3036",
    ),
    ErrorRule(Outcome.QUOTA, message=_NO_MONEY),
    ErrorRule(
        Outcome.AUTH,
        "account_deactivated account_suspended account_terminated access_terminated account_flagged "
        "organization_restricted organization_disabled subscription_required invalid_api_key api_key_disabled "
        "expired_key "
        # Zhipu, MiniMax.
        "1121 2049",
    ),
    ErrorRule(Outcome.AUTH, statuses={200, 400, 403, 404, 429}, message=_NOT_PERMITTED),
    ErrorRule(
        Outcome.OVERLOADED,
        "slow_down server_is_overloaded server_overloaded engine_overloaded engine_overloaded_error model_overloaded "
        "overloaded overloaded_error capacity_exceeded over_capacity service_tier_capacity_exceeded nocapacity "
        "model_capacity_exhausted queue_exceeded model_busy system_busy no_available_channel ModelNotReadyException "
        "ServiceUnavailableException ServiceUnavailable 1305 1312 3040",
    ),
    ErrorRule(Outcome.OVERLOADED, message=_NO_CAPACITY),
    ErrorRule(Outcome.RATE_LIMITED, "rate_limit_exceeded ThrottlingException Throttling TooManyRequestsException"),
    ErrorRule(Outcome.RATE_LIMITED, statuses={200, 400, 403}, message=r"rate.?limit|too many requests"),
    ErrorRule(
        Outcome.REFUSED,
        "content_filter content_policy_violation ResponsibleAIPolicyViolation invalid_prompt bio_policy cyber_policy "
        "misalignment_policy_violation data_inspection_failed sensitive_words SensitiveContentDetected "
        "InputTextSensitiveContentDetected OutputTextSensitiveContentDetected 1301 1026 1027",
    ),
    ErrorRule(
        Outcome.REFUSED,
        statuses={200, 400, 403, 422},
        message=r"requires moderation|(input|prompt|content) was flagged|blocked (input|output|by our content)"
        r"|inappropriate content|sensitive (content|information|words?)|敏感|违规",
    ),
    ErrorRule(
        Outcome.MODEL_GONE,
        "model_not_found model_not_available model_not_exist model_decommissioned model_deprecated model_retired "
        "DeploymentNotFound unknown_model invalid_model key_model_access_denied team_model_access_denied "
        "user_model_access_denied Model.AccessDenied ModelNotOpen model_not_supported 1211 20012 30003 5007",
    ),
    # The model's own failure, which Groq answers with 400.
    ErrorRule(Outcome.BAD_ANSWER, "tool_use_failed json_validate_failed"),
    ErrorRule(
        Outcome.AUTH,
        statuses={200, 400},
        message=r"incorrect api key|(invalid|no) (api (key|token)|access token)|no auth credentials"
        r"|(api key|access token)\b.{0,40}(invalid|not valid|expired|not found|disabled|revoked|blocked)"
        r"|login fail|unauthorized|(missing|no|invalid|malformed) .{0,20}authorization|authentication (fail|error)"
        r"|密钥|令牌|鉴权|身份验证",
    ),
    ErrorRule(Outcome.BUDGET_SPENT, statuses={200, 400}, message=r"max_tokens or model output limit was reached"),
    # Before the next: "not available with this model" and "deprecated" are not the end of the model here.
    ErrorRule(Outcome.BAD_REQUEST, "unsupported_parameter unsupported_value unknown_parameter invalid_value"),
    ErrorRule(Outcome.UNREACHABLE, statuses={400, 404, 405, 421}, message=_NOT_THE_API),
    ErrorRule(
        Outcome.MODEL_GONE,
        statuses={200, 400, 403, 404, 410, 422},
        message=rf"(model|deployment)\b.{{0,200}}({_GONE})|…\S? (is|was|has|have)\b.{{0,40}}({_GONE})|no such model"
        r"|(unknown|invalid|not a valid|not found the) model|model (is |was |has been )?disabled|unable to access model"
        r"|no endpoints found|no allowed providers|not supported by any provider|not found for account"
        r"|access to (the |this )?model"
        r"|模型.{0,30}(不存在|下线|停用|已弃用|未找到)",
    ),
    ErrorRule(Outcome.SERVER_ERROR, statuses={200, 400, 403, 404, 405, 409, 421}, message=_GATEWAY_FAILED),
)
