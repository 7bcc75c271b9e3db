"""The rules for errors that any provider may send, whatever its dialect: English, Chinese, some words of others.

Compatible servers and gateways pass on the errors of others, so codes and words are shared. Order matters: a limit of a
minute before a spent quota, a spent quota before a closed account, the vendor's capacity before our rate limit, and all
of them before the generic codes of a bad request.
"""

from typing import Final

from probes.dialects.error_rules import ErrorRule
from probes.dialects.error_words import (
    BAD_KEY,
    GATEWAY_FAILED,
    GONE,
    MINUTES,
    NO_CAPACITY,
    NO_MONEY,
    NOT_PERMITTED,
    NOT_THE_API,
    REFUSAL,
    STRAINED,
)
from probes.outcome import Outcome

COMMON_ERRORS: Final = (
    # Google answers so at every limit, those of a minute included.
    ErrorRule(Outcome.QUOTA, "quota_per_day quota_of_nothing"),
    ErrorRule(Outcome.RATE_LIMITED, "resource_exhausted", message=r"exceeded your current quota"),
    ErrorRule(Outcome.RATE_LIMITED, statuses={200, 400, 403, 413, 429}, message=MINUTES),
    ErrorRule(
        Outcome.QUOTA,
        "insufficient_quota credit_limit billing_error CommodityNotPurchased AllocationQuota.FreeTierOnly "
        "ServiceQuotaExceededException SetLimitExceeded "
        # Zhipu, MiniMax, SiliconFlow, Cloudflare.
        "1113 1304 1308 1309 1310 1008 2056 30001 3036",
    ),
    ErrorRule(Outcome.QUOTA, message=NO_MONEY),
    ErrorRule(
        Outcome.AUTH,
        "account_deactivated account_suspended account_terminated access_terminated account_flagged "
        "organization_restricted organization_disabled subscription_required invalid_api_key api_key_disabled "
        "expired_key "
        # Zhipu, MiniMax.
        "1121 2049",
    ),
    ErrorRule(Outcome.AUTH, statuses={200, 400, 403, 404, 429}, message=NOT_PERMITTED),
    ErrorRule(
        Outcome.OVERLOADED,
        "slow_down ModelNotReadyException ServiceUnavailableException ServiceUnavailable 1305 1312 3040",
    ),
    ErrorRule(Outcome.OVERLOADED, message=NO_CAPACITY),
    ErrorRule(Outcome.OVERLOADED, statuses={429}, message=STRAINED),
    ErrorRule(Outcome.RATE_LIMITED, "rate_limit_exceeded ThrottlingException Throttling TooManyRequestsException"),
    ErrorRule(Outcome.RATE_LIMITED, statuses={200, 400, 403}, message=r"rate.?limit|too many requests"),
    ErrorRule(
        Outcome.REFUSED,
        "content_filter content_policy_violation ResponsibleAIPolicyViolation invalid_prompt bio_policy cyber_policy "
        "misalignment_policy_violation data_inspection_failed sensitive_words SensitiveContentDetected "
        "InputTextSensitiveContentDetected OutputTextSensitiveContentDetected 1301 1026 1027",
    ),
    ErrorRule(Outcome.REFUSED, statuses={200, 400, 403, 422}, message=REFUSAL),
    ErrorRule(
        Outcome.MODEL_GONE,
        "model_not_found model_not_available model_not_exist model_decommissioned model_deprecated model_retired "
        "DeploymentNotFound unknown_model invalid_model key_model_access_denied team_model_access_denied "
        "user_model_access_denied Model.AccessDenied ModelNotOpen model_not_supported 1211 20012 30003 5007",
    ),
    # The model's own failure, which Groq answers with 400.
    ErrorRule(Outcome.BAD_ANSWER, "tool_use_failed json_validate_failed"),
    ErrorRule(Outcome.AUTH, statuses={200, 400, 422}, message=BAD_KEY),
    ErrorRule(Outcome.BUDGET_SPENT, statuses={200, 400}, message=r"max_tokens or model output limit was reached"),
    # Before the next: "not available with this model" and "deprecated" are not the end of the model here.
    ErrorRule(Outcome.BAD_REQUEST, "unsupported_parameter unsupported_value unknown_parameter invalid_value"),
    ErrorRule(Outcome.UNREACHABLE, statuses={400, 404, 405, 421}, message=NOT_THE_API),
    ErrorRule(Outcome.MODEL_GONE, statuses={200, 400, 403, 404, 410, 422}, message=GONE),
    ErrorRule(Outcome.SERVER_ERROR, statuses={200, 400, 403, 404, 405, 409, 421}, message=GATEWAY_FAILED),
    ErrorRule(Outcome.BAD_REQUEST, statuses={200}, message=r"invalid (param|argument|request)|参数"),
)
