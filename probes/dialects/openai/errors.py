"""What goes wrong in OpenAI's formats: the words of an error, and what they mean."""

import re
from collections.abc import Mapping
from typing import Any, Final

from probes.dialects.errors import ErrorRule, ErrorRules
from probes.json_values import as_object, as_objects, as_text, status_code
from probes.outcome import Outcome
from probes.reply import ErrorDetails


def read_error(body: Mapping[str, Any]) -> ErrorDetails:
    """`{"error": {…}}`, the flat forms of xAI, Mistral, older vLLM and Responses, and FastAPI's `detail`."""
    error = body.get("error")
    inner = error if isinstance(error, dict) else body
    words = [as_text(inner.get(key)) for key in ("code", "type", "status")]
    details = [as_text(detail.get("reason")) for detail in as_objects(inner.get("details"))]
    words = [*words, as_text(as_object(inner.get("innererror")).get("code")), *details]
    return ErrorDetails(
        codes=tuple(word for word in words if word),
        message=_message(body, inner),
        status=status_code(inner.get("code")) or status_code(inner.get("status")),
        headers=_headers(inner),
        request_id=as_text(body.get("request_id")) or None,
    )


def _message(body: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    detail = body.get("detail")
    problems = as_objects(detail)
    said = (
        as_text(inner.get("message"))
        or as_text(body.get("error"))
        or as_text(detail)
        or as_text(as_object(detail).get("error"))
        or (as_text(problems[0].get("msg")) if problems else "")
    )
    upstream = as_text(
        as_object(inner.get("metadata")).get("raw")
    )  # OpenRouter's own words are "Provider returned error"
    return f"{said}: {upstream}" if upstream else said


def _headers(error: Mapping[str, Any]) -> Mapping[str, str]:
    """Those of a refusal that came too late for a status (Responses), or from behind a gateway (OpenRouter)."""
    found = as_object(error.get("headers")) or as_object(as_object(error.get("metadata")).get("headers"))
    return {name.lower(): str(value)[:100] for name, value in list(found.items())[:50]}


def _ignoring_case(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


_OUT_OF_MONEY = _ignoring_case(
    r"used all available credits|monthly spending limit|no credits remaining|insufficient (balance|credits?|funds)"
    r"|doesn't have any credits|credits are depleted|exceeded its (monthly )?spending cap"
    r"|exceeded your current quota|budget has been exceeded|exceeded budget|credit limit exceeded"
    r"|requires billing to be enabled|billing .{0,40}(disabled|not active)"
)
_NO_CAPACITY = _ignoring_case(
    r"overloaded|high demand|at capacity|over capacity|capacity exceeded|resource (has been )?exhausted"
    r"|rate-limited upstream|no deployments available|no healthy deployments|selected model are in cooldown"
)
_BAD_KEY = _ignoring_case(
    r"incorrect api key|invalid api key|api key .{0,40}(invalid|not valid|expired)|no auth credentials"
)
_NO_MODEL = _ignoring_case(
    r"model.{0,200}(does not exist|not found|not exist|deprecated|decommissioned|retired|not available)"
    r"|no such model|unknown model|invalid model|not a valid model|unable to access model|no endpoints found"
)
_OVER_QUOTA = _ignoring_case(r"exceeded your current quota")
_BUDGET = _ignoring_case(r"max_tokens or model output limit was reached")
_FLAGGED = _ignoring_case(r"requires moderation|(input|prompt|content) was flagged")

#: For all three dialects, and everybody who says to be compatible.
ERRORS: Final = ErrorRules(
    rules=(
        # Google says it of every limit, those of a minute included.
        ErrorRule(outcome=Outcome.RATE_LIMITED, codes=frozenset({"resource_exhausted"}), message=_OVER_QUOTA),
        ErrorRule(
            outcome=Outcome.QUOTA,
            codes=frozenset(
                {
                    "insufficient_quota",
                    "credit_balance_exhausted",
                    "billing_hard_limit_reached",
                    "billing_not_active",
                    "billing_disabled",
                    "budget_exceeded",
                    "credit_limit",
                }
            ),
        ),
        ErrorRule(outcome=Outcome.QUOTA, statuses=frozenset({200, 400, 402, 403, 412, 429}), message=_OUT_OF_MONEY),
        ErrorRule(
            outcome=Outcome.OVERLOADED,
            codes=frozenset(
                {
                    "slow_down",
                    "server_is_overloaded",
                    "capacity_exceeded",
                    "over_capacity",
                    "overloaded_error",
                    "nocapacity",
                }
            ),
        ),
        ErrorRule(outcome=Outcome.OVERLOADED, statuses=frozenset({200, 400, 429, 500}), message=_NO_CAPACITY),
        ErrorRule(outcome=Outcome.RATE_LIMITED, codes=frozenset({"rate_limit_exceeded"})),
        ErrorRule(
            outcome=Outcome.REFUSED,
            codes=frozenset(
                {
                    "content_filter",
                    "content_policy_violation",
                    "responsibleaipolicyviolation",
                    "invalid_prompt",
                    "bio_policy",
                    "cyber_policy",
                    "misalignment_policy_violation",
                }
            ),
        ),
        ErrorRule(outcome=Outcome.REFUSED, statuses=frozenset({200, 400, 403}), message=_FLAGGED),
        ErrorRule(
            outcome=Outcome.MODEL_GONE,
            codes=frozenset(
                {
                    "model_not_found",
                    "model_not_available",
                    "model_decommissioned",
                    "deploymentnotfound",
                    "unknown_model",
                    "invalid_model",
                    "key_model_access_denied",
                    "team_model_access_denied",
                    "user_model_access_denied",
                }
            ),
        ),
        # The model's own failure, which Groq answers with 400.
        ErrorRule(outcome=Outcome.BAD_ANSWER, codes=frozenset({"tool_use_failed", "json_validate_failed"})),
        ErrorRule(outcome=Outcome.AUTH, codes=frozenset({"invalid_api_key", "organization_restricted"})),
        ErrorRule(outcome=Outcome.AUTH, statuses=frozenset({200, 400}), message=_BAD_KEY),
        ErrorRule(outcome=Outcome.BUDGET_SPENT, statuses=frozenset({200, 400}), message=_BUDGET),
        # Whose words ("not available with this model", "deprecated") must not be read as the model's end.
        ErrorRule(
            outcome=Outcome.BAD_REQUEST,
            codes=frozenset({"unsupported_parameter", "unsupported_value", "unknown_parameter", "invalid_value"}),
        ),
        ErrorRule(outcome=Outcome.MODEL_GONE, statuses=frozenset({200, 400, 404, 410}), message=_NO_MODEL),
    ),
    kinds={
        "authentication_error": Outcome.AUTH,
        "auth_error": Outcome.AUTH,
        "permission_error": Outcome.AUTH,
        "unauthenticated": Outcome.AUTH,
        "permission_denied": Outcome.AUTH,
        "rate_limit_error": Outcome.RATE_LIMITED,
        "requests": Outcome.RATE_LIMITED,
        "tokens": Outcome.RATE_LIMITED,
        "resource_exhausted": Outcome.RATE_LIMITED,
        "service_unavailable_error": Outcome.OVERLOADED,
        "unavailable": Outcome.OVERLOADED,
        "not_found_error": Outcome.MODEL_GONE,
        "notfounderror": Outcome.MODEL_GONE,
        "not_found": Outcome.MODEL_GONE,
        "invalid_request_error": Outcome.BAD_REQUEST,
        "badrequesterror": Outcome.BAD_REQUEST,
        "invalid_argument": Outcome.BAD_REQUEST,
        "unsupported_parameter": Outcome.BAD_REQUEST,
        "data_residency_mismatch": Outcome.BAD_REQUEST,
    },
)

#: OpenAI's and Azure's, Groq's, Mistral's, OpenRouter's, LiteLLM's.
REQUEST_ID_HEADERS: Final = (
    "x-request-id",
    "apim-request-id",
    "x-groq-id",
    "mistral-correlation-id",
    "x-generation-id",
    "x-litellm-call-id",
)
