"""Why a reply ended, in the words of all providers: compatible servers pass on those of others."""

import re
from collections.abc import Mapping
from typing import Final

from probes.json_values import as_object, as_text
from probes.request_reply import Finish

_REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "stop end_turn stop_sequence tool_use tool_call tool_calls function_call complete completed eos",
    Finish.LENGTH: "length max_tokens max_output_tokens max_completion_tokens max_length model_length context_length "
    "model_context_window_exceeded token_limit error_limit",
    Finish.REFUSED: "content_filter content_filtered content_filtering refusal refused safety prohibited_content "
    "recitation blocklist spii guardrail_intervened sensitive error_toxic model_armor language escalation "
    "pup_limited_disabled image_safety image_prohibited_content blocked",
    Finish.FAILED: "error abort aborted failed failure insufficient_system_resource network_error server_error "
    "internal_error engine_error upstream_error model_error malformed_model_output timeout cancelled "
    "canceled user_cancel",
}
_LONGEST: Final = 200
#: What is no part of the reason: punctuation, and the name of the type that it was written by (`FinishReason.SAFETY`).
_DECORATION: Final = re.compile("[^a-z]|^(finish|stop)_?reason(?=[^a-z])")
_BY_REASON: Final = {
    reason.replace("_", ""): finish for finish, reasons in _REASONS.items() for reason in reasons.split()
}


def read_finish(reason: object) -> Finish | None:
    """What a finish reason means, whatever its case and punctuation; None where there is none, `OTHER` if unknown.

    A qualifier after or before a colon may decide: `content_filter:PROHIBITED_CONTENT`, `incomplete: max_tokens`. The
    reason may be the `type` of an object (SGLang).
    """
    text = (as_text(reason) or as_text(as_object(reason).get("type")))[:_LONGEST].lower()
    if not text:
        return Finish.OTHER if reason else None
    parts = (_DECORATION.sub("", part) for part in (text, *text.split(":")))
    return next((_BY_REASON[part] for part in parts if part in _BY_REASON), Finish.OTHER)
