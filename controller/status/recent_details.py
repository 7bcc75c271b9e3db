"""Details of the newest probes of a target, beside its health: another model answers, retirement, request ids."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentDetails:
    """What is worth a line beside a target's health; the texts may stem from a provider."""

    notices: tuple[str, ...] = ()
    """Sentences: another model answered the last time, or the model will be retired."""
    request_ids: tuple[str, ...] = ()
    """Of the newest failures, the newest first: for a ticket to the vendor."""


NO_DETAILS: Final = RecentDetails()
