"""Finish reasons in the spellings of all providers."""

import pytest

from probes.dialects.finish_reasons import read_finish
from probes.request_reply import Finish


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", Finish.STOP),
        ("STOP", Finish.STOP),
        ({"type": "stop", "matched": 128009}, Finish.STOP),
        ("max_tokens", Finish.LENGTH),
        ("MAX_TOKENS", Finish.LENGTH),
        ("incomplete: max_output_tokens", Finish.LENGTH),
        ("SAFETY", Finish.REFUSED),
        ("content_filter: PROHIBITED_CONTENT", Finish.REFUSED),
        ("RECITATION", Finish.REFUSED),
        ("FinishReason.SAFETY", Finish.REFUSED),
        ("FINISH_REASON_MAX_TOKENS", Finish.LENGTH),
        ("finish_reason", Finish.OTHER),
        ({"type": "abort"}, Finish.FAILED),
        ("insufficient_system_resource", Finish.FAILED),
        ("Error", Finish.FAILED),
        ("model_error", Finish.FAILED),
        ("eos_token", Finish.OTHER),
        ("some_new_reason", Finish.OTHER),
        (7, Finish.OTHER),
        ({}, None),
        ("", None),
        (None, None),
    ],
)
def test_a_reason_is_read_in_any_spelling(reason: object, finish: Finish | None) -> None:
    """Case, punctuation and qualifiers differ from provider to provider."""
    assert read_finish(reason) is finish
