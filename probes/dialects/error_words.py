"""The words of errors, as patterns: what a sentence says that is about money, permission, capacity and so on.

Providers put one fact in many words, so most patterns ask what occurs together in one clause, in whatever order.
"""

from typing import Final

_CHAR: Final = r"(?:[^.;!?\n]|[.;!?](?=\S))"


def clause(*parts: str, without: str = "", longest: int = 120) -> str:
    """The pattern of a clause, of so many characters, in which all parts occur in any order, and `without` does not."""
    absent = f"(?!{_CHAR}{{0,{longest}}}?(?:{without}))" if without else ""
    others = "".join(f"(?={_CHAR}{{0,{longest}}}?(?:{part}))" for part in parts[:-1])
    return rf"(?:^|[.;!?]\s|\n){absent}{others}{_CHAR}{{0,{longest}}}?(?:{parts[-1]})"


_LIMIT: Final = (
    r"\b(limit|cap|quota|allowance|allotment|allocation|budget|maximum|max|tokens|requests|credits|calls)s?\b"
)
_LONG: Final = r"(this|per|current|billing) (month|week|day|year|period|cycle)|monthly|weekly|daily|yearly|annual"
_PERIOD: Final = (
    rf"\b({_LONG}|today|\d[ -]?hours?|billing|spend(ing)?|costs?|usage|budget|account|key|plan|package|subscription"
    r"|trial|volume|contract|free[ -](tier|plan|allocated|quota|allocation|credits?)|project|organi[sz]ation|included"
    r"|month)\b"
)
_SPENT: Final = (
    r"\b(exceed(ed|ing|s)?|reach(ed|ing)|exhausted|hit|depleted|used up|r[ua]n out|consumed|spent|finished|gone|over)\b"
)
_MONEY: Final = r"\b(balance|credits?|funds|money|wallet|points|tokens in your account|resource (pack|package))\b"
_USED_UP: Final = r"(不足|不够|用完|用尽|耗尽|超出|超限|上限|达到|到期|过期|限制|为[负零0])"
_LACK: Final = (
    r"\b(insufficient|exhausted|depleted|used up|too low|empty|(not|in|n.t have) ?(enough|sufficient)|overdue|negative"
    r"|expired|out of|used all|no|any|zero|below|spent|consumed|r[ua]n (out|dry)|declined|refill (needed|required))\b"
    r"|[ :$¥€＄](-[$\d]|0(\.0+)?(?![.\d]))"
)
#: What a limit of minutes says as well.
_OF_RATES: Final = r"\brate[ -]?limit|\bhigher|\braise|\bincrease"
#: What the limits of one request say, and the vendor's lack of capacity.
_OF_REQUESTS: Final = r"\bcontext\b|max_tokens|\bsession\b|of your request|thinking|reasoning|\bpeak\b|demand"
NO_MONEY: Final = "|".join(
    (
        clause(_MONEY, _LACK, without=rf"{_OF_RATES}|credit card|credit union", longest=60),
        clause(_LIMIT, _PERIOD, _SPENT, without=rf"{_OF_RATES}|{_OF_REQUESTS}"),
        clause(rf"{_LIMIT}|\busage\b", rf"\b({_LONG})\b", _SPENT, without=_OF_REQUESTS),
        clause(
            r"\b(plan|package|subscription|trial)\b", r"\b(exhausted|depleted|used up|consumed|finished|r[ua]n out)\b"
        ),
        clause(r"\busage\b", r"\bplan\b", _SPENT),
        clause(r"\bbudget\b", _SPENT, without=_OF_REQUESTS),
        r"session usage limit|(insufficient|current|out of|user)[ _](call )?(user[ _]|account[ _]|volume )?quota\b",
        r"quota (is )?(not enough|finished|used up|exhausted|depleted)|credit limit (is )?(exceeded|reached)",
        r"arrear|past due|overdue|unpaid|non-?payment|good standing|delinquent|(outstanding|pay your) \w* ?invoice",
        clause(r"\b(payment|charge|card)\b", r"\b(required|instrument|failed|declined|outstanding)\b"),
        clause(r"payment method|payment information|billing information|\badd (a card|funds)", without=_OF_RATES),
        r"top[ -]?(it |up\b|your account)|recharge|(buy|purchase) (\w+ )?(credits|tokens|quota|a plan|a subscription)",
        clause(
            r"\b(plan|package|trial|credits|subscription)\b",
            r"\b(expired|lapsed|ended|is over|cancell?ed)\b",
            without=r"\btoken\b",
        ),
        r"requires billing|no (active )?billing|enable billing|billing (required|account|details|to be enabled)",
        r"billing .{0,40}(disabled|not active)|(calls|requests|tokens)\s?(/|per)\s?month|open api total request limit",
        r"余额|餘額|欠[费費]|充值|儲值|逾期|账单|资源包|(请先)?购买套餐|请先购买|停服|未付费|开通付费",
        rf"([额額]度|配额|积分|点数|金额|费用|流量|套餐|用量|试用|次数|包(?!含)).{{0,8}}{_USED_UP}",
        r"(超出|超过|达到).{0,6}(本月|本周|每月|每周|当日|今日).{0,4}(配额|额度|限额|上限|限制)",
        r"(每周|每月|本月|本周|月度|小时).{0,8}(上限|限额)|使用上限",
        # German, Spanish and Portuguese, French, Japanese, Korean, Russian.
        r"guthaben|saldo insuficiente|créditos? insuficientes?|solde insuffisant|crédits? (épuisés?|insuffisants?)",
        r"残高|チャージ|クレジット.{0,4}不足|잔액|크레딧.{0,6}(부족|소진)|충전|недостаточно (средств|кредитов)|баланс",
    )
)
MINUTES: Final = (
    r"\b(per|a|each|every|over|within)[ -]?(\d+ )?(minute|min|second|sec)s?\b|/ ?(\d+ ?)?(minute|min|second|sec|s|m)\b"
    r"|(?<![a-z])[rtq]p[ms](?![a-z])|速率|频率|过于频繁|每分钟|每秒|并发|限流|\bconcurren(t|cy)\b"
)

_ACCOUNT: Final = r"\b(organi[sz]ation|account|project|team|workspace|tenant|subscription|user|customer)\b"
_CLOSED: Final = (
    r"\b(terminated|deactivated|suspended|disabled|banned|blocked|locked|closed|frozen|flagged|restricted|on hold"
    r"|under review|pending|inactive|revoked|deleted)\b"
)
_NOT_GRANTED: Final = r"\b(not|isn.t)( been| yet)* (authori[sz]ed|permitted|allowed|enabled|approved|active|granted)\b"
#: A model's own name was replaced by this sign.
_A_MODEL: Final = r"…|\bmodel\b(?! service)|\bit\b|\bdeployment"
_PLACE: Final = r"\b(countr(y|ies)|regions?|territor(y|ies)|(your|user) location)\b"
NOT_PERMITTED: Final = "|".join(
    (
        rf"{_ACCOUNT}[^.]{{0,40}}\b(must|needs?|has|have|requires?|is|not)\b[^.]{{0,20}}\bverif(ied|y|ication)",
        r"verify your|(identity|real.?name) (verification|authentication)|\b(e-?mail|phone)( \w+)? (is )?not verified",
        rf"{_ACCOUNT}[^.]{{0,30}}{_NOT_GRANTED}",
        rf"{_ACCOUNT}[^.]{{0,40}}{_CLOSED}",
        rf"{_ACCOUNT}[^.]{{0,30}}\b(does not|doesn.t) have (access|permission)(?![^.]*({_A_MODEL}))",
        clause(
            r"\baccess\b", rf"\b(terminated|revoked|suspended|disabled|restricted)\b|{_NOT_GRANTED}", without=_A_MODEL
        ),
        r"(no|without an?|not have an?|any) (active |valid )?subscription|not subscribed",
        r"subscription (is )?(required|needed|inactive)|subscription (does not|doesn.t) include",
        clause(
            _PLACE,
            r"\b(not (supported|available|allowed)|unsupported|blocked|restricted|forbidden)\b",
            without=r"\bmodel\b",
        ),
        clause(r"\bip\b( address)?", r"\b(not (in|on|allowed|authori[sz]ed|permitted)|(not )?whitelisted|blocked)\b"),
        r"accept (the |our |these )?(\w+ )?(terms|agreement|licen[cs]e)",
        r"实名|(账[号户]|用户|应用|组织|团队|接口).{0,12}(封|禁|锁|冻结|停用|异常|注销)",
        r"未(通过|完成)?.{0,2}(认证|开通|激活|授权)|无权限?(访问|使用|调用)|没有.{0,10}权限",
    )
)
_KEY: Final = (
    r"\b(api[ -]?keys?|apikey|access[ -]?key|secret ?id|(api|access|bearer|auth\w*|proxy server) token"
    r"|authentication|authorization|credentials?|login|jwt|auth)\b"
)
_BAD: Final = (
    r"\b(invalid|incorrect|wrong|bad|expired|revoked|disabled|deleted|inactive|missing|malformed|required|blocked|denied"
    r"|fail(ed|ure)?|error|no|unknown|without|not|could not)\b|n.t (provide|match)"
)
BAD_KEY: Final = "|".join(
    (
        clause(_KEY, _BAD, longest=60),
        r"\bkey (has been |is |was )?(revoked|disabled|deleted|expired|inactive|suspended|blocked)|\binvalid key\b",
        r"\btoken (has been |has |is |was )?(invalid|expired|revoked)|\binvalid token\b|unauthori[sz]ed|access denied",
        r"not authori[sz]ed(?!.{0,40}(…|\bmodel))|permission denied|^forbidden|\bkyc\b",
        r"signature (failure|mismatch|does not match|doesn.t match)",
        r"密钥|令牌|鉴权|身份验证|认证失败|key.{0,6}(无效|失效|错误|过期)",
    )
)

_SERVERS: Final = r"(deployments?|upstream|channels?|workers?|replicas?|instances?|servers?|providers?|gpus?|slots?)"
_WHICH: Final = r"( (its|the|our|server|service|model|full|maximum|max|available|current|gpu))*"
NO_CAPACITY: Final = "|".join(
    (
        r"overload(ed)?|saturated|\bbusy\b|(high|heavy|peak|too much)( \w+)? (demand|traffic|load|volume|usage)",
        rf"(no|insufficient|not enough|out of|lack of|limited|at|over|max|maximum|exceed(ed|s|ing)?){_WHICH} capacity",
        r"(due to|because of) (\w+ )?capacity|capacity (is |has been |was )?(exceeded|exhausted|reached|constrain\w+)",
        r"resource (has been )?exhausted|rate-limited upstream|(queue|pool)\b.{0,20}\b(full|exceeded|exhausted)",
        rf"no (healthy|available|free) {_SERVERS}|no {_SERVERS} (is |are )?available|selected model are in cooldown",
        r"worker\b.{0,30}limit reached|loading model",
        r"(currently|still|is) (loading|being loaded|warming up|starting|scaling)",
        clause(r"\bdemand\b", r"\b(high|surge|unusual)\b"),
        r"过载|满载|繁忙|访问量过大|负载|负荷|拥挤|拥堵|排队|无可用渠道|算力(不足|紧张)|资源(不足|紧张)",
    )
)
#: Of a 429 alone: what says that it is not our limit that was reached.
STRAINED: Final = (
    r"(?<!burst )(?<!your )\bcapacity\b|\b(full|peak|server|system|under|due to) (load|hours|pressure)|\bunavailable\b"
    rf"|compute resources|{_SERVERS} are (all )?(in use|occupied|taken)|too many (people|users)|cold start|not ready"
    r"|压力|人数.{0,4}多|过热|高峰"
)

_GONE: Final = (
    r"(does not|doesn.t) exist|not exist\b|(not|cannot) (be )?found|no longer|deprecated|decommissioned|retired"
    r"|not available|unavailable|removed|discontinued|sunset|end[ -]of[ -](its )?life|reached the end|\beol\b"
    r"|shut[ -]?(down|off)|withdrawn|archived|deleted|offline|not recognized|unknown|not hosted|anymore"
)
_UNUSABLE: Final = r"(is |was |has been )?(not (supported|enabled|allowed|recognized|granted|in the list)|disabled)\b"
_NAMED: Final = rf"(?=is|was|ha[sv]|does|not|reached).{{0,40}}({_GONE})"
_AT_ALL: Final = r"(?! (with|when|for (?!this|your|the)))"
GONE: Final = "|".join(
    (
        rf"\b(model(_?id|_?name)?|deployment|engine)s?\b.{{0,200}}\b({_GONE})|…\S? {_NAMED}",
        # "Streaming is not supported by this model" is about streaming.
        rf"(?<!for this )(?<!by this )(?<!with this )(?<!on this )\bmodel( …|:? \S{{1,60}})? {_UNUSABLE}{_AT_ALL}",
        rf"…\S? {_UNUSABLE}{_AT_ALL}",
        r"(unknown|(in)?valid|unsupported|unrecogni[sz]ed|not found the|no such) (model|engine)\b(?! \w*(param|field))",
        r"model (is )?invalid|\bbad model\b|not a supported model|\bno model …|entity was not found",
        r"((cannot|could not|unable to) (find|access|use)|access to) (the |this )?(model|engine|…)",
        r"no (model|deployment)\b.{0,20}\b(named|called|found)",
        r"\bendpoint\b.{0,60}\b(closed|deleted|disabled)\b",
        r"no endpoints found|no allowed providers|not supported by any provider|not found for account",
        r"模型.{0,30}(不存在|下线|下架|停用|停止|弃用|废弃|未找到|不可用|不支持(?!\w)|错误)",
        r"(不支持的|找不到|找到该|未找到|无效的)模型",
    )
)
REFUSAL: Final = (
    r"requires? moderation|\bmoderation\b|safety (system|filter|policy|violation)s?|(usage|content) polic(y|ies)"
    r"|(input|prompt|content|request) was flagged|blocked (input|output|by our content)|(input|output|prompt) blocked"
    r"|inappropriate content|sensitive (content|information|words?)|high risk|\brisky\b|敏感|违规|风险|内容安全"
)

#: Of whom only the name is left: a proxy, a tunnel, a parked domain, a gateway without a route.
NOT_THE_API: Final = (
    r"no route matched|route not found|default backend|no such (app|host)|application not found|unknown (host|domain)"
    r"|(tunnel|domain|site|host)\b.{0,60}(not found|offline|parked|for sale|not configured|does not exist)"
    r"|endpoint\b.{0,40}\bis offline|could not be found on\b|invalid host(name| header)?\b"
    r"|https? request (was sent |sent )?to an? https? (server|port)|misdirected"
)
_BEHIND: Final = r"\b(upstream|backend|origin|provider|gateway|remote host|model server)\b"
_FAILS: Final = (
    r"\b(unavailable|error|fail(ed|ure)?|timed? ?out|timeout|unreachable|refused|reset|no response|closed"
    r"|not (available|responding|respond|running)|empty response|could not reach|5\d\d)\b"
)
_AT_REST: Final = (
    r"(paused|stopped|sleeping|scaled ?to ?zero|not (running|ready)|hibernating|suspended|terminated|in state failed)"
)
GATEWAY_FAILED: Final = "|".join(
    (
        clause(_BEHIND, _FAILS),
        r"(failed|unable|could not|cannot) (to )?(connect|(get|receive|fetch|obtain) (a |any )?(response )?from)",
        r"econn(refused|reset)|enotfound|etimedout|err_connect|socket hang up|fetch failed|deadline exceeded|^eof\b",
        r"connection (error|refused|reset|closed|timed out)|request timed out|tls handshake|service not ready",
        rf"(endpoint|space|deployment|server|instance|pod)\b.{{0,20}}\b{_AT_REST}|service unavailable|gateway timeout",
        r"internal (server )?error|i/o timeout|proxy error|something went wrong|bad gateway",
        # An edge (Cloudflare) in between, whose codes are its own.
        r"^error code: 1\d{3}$",
    )
)
