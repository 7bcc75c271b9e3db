"""Errors in OpenAI's formats: how they are read, and their outcomes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from probes.dialects.error_rules import ErrorFields, ErrorRule, ErrorRules
from probes.json_values import as_object, text_at, values_at
from probes.outcome import Outcome
from probes.reply import ErrorDetails


def read_error(body: Mapping[str, Any]) -> ErrorDetails:
    """`{"error": {…}}`, the flat forms of xAI, Mistral, older vLLM and Responses, and FastAPI's `detail`."""
    error = as_object(body.get("error")) or body
    details = _FIELDS.read({"body": body, "error": error})
    # It came too late for a status, or from behind a gateway, and quotes the headers.
    headers = next((as_object(value) for value in values_at(error, "headers metadata.headers") if value), {})
    upstream = text_at(error, "metadata.raw")  # OpenRouter's own message is "Provider returned error"
    return replace(
        details,
        message=f"{details.message}: {upstream}" if upstream else details.message,
        headers={name.lower(): str(value)[:100] for name, value in list(headers.items())[:50]},
    )


_FIELDS: Final = ErrorFields(
    codes="error.code error.type error.status error.innererror.code error.details[].reason",
    message="error.message body.error body.detail body.detail.error body.detail[].msg",
    status="error.code error.status",
    request_id="body.request_id",
)
#: For all three dialects, and for every provider that claims to be compatible.
ERRORS: Final = ErrorRules(
    # Google answers so at every limit, those of a minute included.
    ErrorRule(Outcome.RATE_LIMITED, "resource_exhausted", message=r"exceeded your current quota"),
    ErrorRule(
        Outcome.QUOTA,
        "insufficient_quota credit_balance_exhausted billing_hard_limit_reached billing_not_active billing_disabled "
        "budget_exceeded credit_limit",
    ),
    ErrorRule(
        Outcome.QUOTA,
        statuses={200, 400, 402, 403, 412, 429},
        message=r"used all available credits|monthly spending limit|no credits remaining"
        r"|insufficient (balance|credits?|funds)|doesn't have any credits|credits are depleted"
        r"|exceeded its (monthly )?spending cap|exceeded your current quota|budget has been exceeded"
        r"|exceeded budget|credit limit exceeded|requires billing to be enabled"
        r"|billing .{0,40}(disabled|not active)",
    ),
    ErrorRule(
        Outcome.OVERLOADED, "slow_down server_is_overloaded capacity_exceeded over_capacity overloaded_error nocapacity"
    ),
    ErrorRule(
        Outcome.OVERLOADED,
        statuses={200, 400, 429, 500},
        message=r"overloaded|high demand|at capacity|over capacity|capacity exceeded|resource (has been )?exhausted"
        r"|rate-limited upstream|no deployments available|no healthy deployments|selected model are in cooldown",
    ),
    ErrorRule(Outcome.RATE_LIMITED, "rate_limit_exceeded"),
    ErrorRule(
        Outcome.REFUSED,
        "content_filter content_policy_violation responsibleaipolicyviolation invalid_prompt bio_policy cyber_policy "
        "misalignment_policy_violation",
    ),
    ErrorRule(
        Outcome.REFUSED, statuses={200, 400, 403}, message=r"requires moderation|(input|prompt|content) was flagged"
    ),
    ErrorRule(
        Outcome.MODEL_GONE,
        "model_not_found model_not_available model_decommissioned deploymentnotfound unknown_model invalid_model "
        "key_model_access_denied team_model_access_denied user_model_access_denied",
    ),
    # The model's own failure, which Groq answers with 400.
    ErrorRule(Outcome.BAD_ANSWER, "tool_use_failed json_validate_failed"),
    ErrorRule(Outcome.AUTH, "invalid_api_key organization_restricted"),
    ErrorRule(
        Outcome.AUTH,
        statuses={200, 400},
        message=r"incorrect api key|invalid api key|api key .{0,40}(invalid|not valid|expired)|no auth credentials",
    ),
    ErrorRule(Outcome.BUDGET_SPENT, statuses={200, 400}, message=r"max_tokens or model output limit was reached"),
    # Before the next: "not available with this model" and "deprecated" are not the end of the model here.
    ErrorRule(Outcome.BAD_REQUEST, "unsupported_parameter unsupported_value unknown_parameter invalid_value"),
    ErrorRule(
        Outcome.MODEL_GONE,
        statuses={200, 400, 404, 410},
        message=r"model.{0,200}(does not exist|not found|not exist|deprecated|decommissioned|retired|not available)"
        r"|no such model|unknown model|invalid model|not a valid model|unable to access model|no endpoints found",
    ),
    codes_alone={
        Outcome.AUTH: "authentication_error auth_error permission_error unauthenticated permission_denied",
        Outcome.RATE_LIMITED: "rate_limit_error requests tokens resource_exhausted",
        Outcome.OVERLOADED: "service_unavailable_error unavailable",
        Outcome.MODEL_GONE: "not_found_error notfounderror not_found",
        Outcome.BAD_REQUEST: "invalid_request_error badrequesterror invalid_argument unsupported_parameter "
        "data_residency_mismatch",
    },
)

#: Of OpenAI, Azure, Groq, Mistral, OpenRouter and LiteLLM.
REQUEST_ID_HEADERS: Final = (
    "x-request-id",
    "apim-request-id",
    "x-groq-id",
    "mistral-correlation-id",
    "x-generation-id",
    "x-litellm-call-id",
)
