"""The result of one probe, and the faster dataclass that it is: simulations create such values by the million."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar, dataclass_transform

from probes.outcome import Outcome

#: How `detail` begins where the probe failed on this machine.
OWN_FAULT: Final = "the probe itself"
LOCAL: Final = "local"
"""The region of what this machine has probed, where the configuration has no regions or the probe is not reported yet.
"""

T = TypeVar("T")
_NOTHING: Final = object()


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def hot_dataclass(cls: type[T]) -> type[T]:
    """A keyword-only dataclass, compared and hashed by value.

    Frozen for the type checker alone, and without slots: `replaced` is then ten times as fast as `dataclasses.replace`.
    """
    return dataclass(kw_only=True, unsafe_hash=True)(cls)


def replaced(value: T, /, **changed: object) -> T:
    """The value of a `hot_dataclass` with these fields changed."""
    copy: T = object.__new__(type(value))
    copy.__dict__ = {**value.__dict__, **changed}
    return copy


def compact(value: T) -> T:
    """The same value of a `hot_dataclass`; what is as its class has it is not kept once more.

    A dictionary of at most 21 entries takes half of what one of 22 takes.
    """
    copy: T = object.__new__(cls := type(value))
    copy.__dict__ = {name: kept for name, kept in value.__dict__.items() if kept is not getattr(cls, name, _NOTHING)}
    return copy


@hot_dataclass
class Observation:
    """The result of one probe, known at `finished_at`.

    Phases are seconds from the lookup of the host name until that was resolved, TCP established, the connection ready
    (TLS included), the request sent, response headers received, the first visible text of a stream received, the
    response complete; None where the probe did not get that far.
    """

    target: str
    """The target's id, `provider/model`."""
    check: str
    started_at: datetime
    """Aware, UTC."""
    outcome: Outcome
    duration_s: float
    """Until the response was complete, or the probe gave up; by the monotonic clock."""
    detail: str = ""
    """One sentence for people, without keys, at most 500 characters; empty for `ok`."""
    region: str = LOCAL
    """Where it was made: there it was found out whether the network there worked (`failed_here`)."""
    resolved_s: float | None = None
    tcp_s: float | None = None
    connected_s: float | None = None
    sent_s: float | None = None
    first_byte_s: float | None = None
    first_token_s: float | None = None
    last_byte_s: float | None = None
    longest_stall_s: float | None = None
    """The longest wait between two pieces of visible text of a stream."""
    fresh: bool = True
    """Whether the connection was made for this probe."""
    afresh: bool = False
    """Whether it was asked beside others at once, to see whether a failure lasts (`monitor.detection.fresh_evidence`).
    """
    under_way: bool = False
    """Whether it has not ended yet, but takes longer than its target ever does; such a one is never stored."""
    http_status: int | None = None
    retry_after_s: float | None = None
    """The wait that the provider asked for."""
    limit_left: str | None = None
    """What is left of a limit that is nearly used up, as the provider's headers state it: `2 of 60 requests`."""
    limit_resets_s: float | None = None
    """How long that holds."""
    request_id: str | None = None
    """The provider's own id of the request."""
    input_tokens: int | None = None
    """Cached ones included."""
    output_tokens: int | None = None
    """Reasoning included."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    """None, never zero, where the price is unknown."""
    model: str | None = None
    """The model that answered, where it is not the one that was requested."""
    deprecation: str | None = None
    """The provider's notice that the model will be retired."""
    loop_lag_s: float = 0.0
    """The worst lateness of our own event loop meanwhile; above 0.02 the timings are suspect."""
    failed_here: bool = False
    """It failed on this side: the provider was not asked, not given the time to answer, or our network was down."""

    @property
    def finished_at(self) -> datetime:
        """When the result was known."""
        # Kept: every rule asks for it. `replaced` copies what is kept, so it says what it was calculated from.
        known = self.__dict__.get("_finished")
        if known is None or known[0] is not self.started_at or known[1] is not self.duration_s:
            at = self.started_at + timedelta(0, self.duration_s)
            known = self.__dict__["_finished"] = self.started_at, self.duration_s, at
        finished_at: datetime = known[2]
        return finished_at

    @property
    def is_refusal(self) -> bool:
        """Whether the API called the probe a bad request, by its status or in the body of a success."""
        return self.outcome is Outcome.BAD_REQUEST and not self.failed_here

    @property
    def tokens_per_s(self) -> float | None:
        """The rate of a stream from its first token on; None where there is no stream, or it is too short."""
        if self.output_tokens is None or self.first_token_s is None or self.last_byte_s is None:
            return None
        streamed_s = self.last_byte_s - self.first_token_s
        return self.output_tokens / streamed_s if self.output_tokens > 1 and streamed_s > 0 else None
