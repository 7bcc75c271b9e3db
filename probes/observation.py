"""What one probe saw, as one immutable value."""

from datetime import datetime, timedelta

from probes.hot_dataclass import hot_dataclass
from probes.outcome import Outcome
from probes.target import Check


@hot_dataclass
class Observation:
    """What one probe saw. Evidence arrives at `finished_at`.

    Phase timings are seconds since the probe's first step, the lookup of the name; None where it did not get that far.
    """

    target: str
    """The target's id, `provider/model`."""
    check: Check
    started_at: datetime
    """Aware, UTC."""
    outcome: Outcome
    duration_s: float
    """Until the answer was complete, or was given up; by the monotonic clock."""
    detail: str = ""
    """One sentence for people, without keys, at most 500 characters; empty for `ok`."""
    region: str = "local"
    resolved_s: float | None = None
    """The name of the host resolved."""
    tcp_s: float | None = None
    """TCP established."""
    connected_s: float | None = None
    """TLS established, where there is any."""
    sent_s: float | None = None
    """The request sent."""
    first_byte_s: float | None = None
    """Response headers received."""
    first_token_s: float | None = None
    """First piece of visible text; streams only."""
    last_byte_s: float | None = None
    """The answer complete."""
    longest_stall_s: float | None = None
    """The longest wait between two pieces of visible text; streams only."""
    fresh: bool = True
    """Whether the connection was made for this probe."""
    http_status: int | None = None
    retry_after_s: float | None = None
    """What the provider asked for, where it said."""
    request_id: str | None = None
    """The provider's own id of the request, for a ticket."""
    input_tokens: int | None = None
    """Cached ones included."""
    output_tokens: int | None = None
    """Reasoning included."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    """None when the price is not known; never zero for that reason."""
    model: str | None = None
    """Who answered, in the provider's words, where that is not the model that was asked."""
    deprecation: str | None = None
    """The provider's hint that the model will go, in a few words."""
    loop_lag_s: float = 0.0
    """How late our own event loop was meanwhile; above 0.02 the timings are suspect."""

    @property
    def finished_at(self) -> datetime:
        """When the verdict was in."""
        return self.started_at + timedelta(0, self.duration_s)

    @property
    def tokens_per_s(self) -> float | None:
        """How quickly a stream came once it had begun; None for what is no stream, or too short to tell."""
        if self.output_tokens is None or self.first_token_s is None or self.last_byte_s is None:
            return None
        streamed_s = self.last_byte_s - self.first_token_s
        return self.output_tokens / streamed_s if self.output_tokens > 1 and streamed_s > 0 else None
