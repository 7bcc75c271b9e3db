"""What one probe saw, as one immutable value."""

from datetime import datetime, timedelta

from probes.outcome import Outcome
from probes.target import Check
from probes.value import value


@value
class Observation:
    """What one probe saw. Evidence arrives at `finished_at`.

    Phase timings are seconds since the probe started, None where the probe did not get that far.
    """

    target: str
    """The target's id, `provider/model`."""
    check: Check
    started_at: datetime
    """Aware, UTC."""
    outcome: Outcome
    duration_s: float
    """From the start to the verdict, by the monotonic clock."""
    detail: str = ""
    """One sentence for people, without keys, at most 500 characters; empty for `ok`."""
    region: str = "local"
    connected_s: float | None = None
    """TCP (and TLS, where there is any) established."""
    first_byte_s: float | None = None
    """Response headers received."""
    first_token_s: float | None = None
    """First piece of visible text; streams only."""
    http_status: int | None = None
    retry_after_s: float | None = None
    """What the provider asked for, where it said."""
    request_id: str | None = None
    """The provider's own id of the request, for a ticket."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    """Reasoning included."""
    cost_usd: float | None = None
    """None when the price is not known; never zero for that reason."""
    loop_lag_s: float = 0.0
    """How late our own event loop was meanwhile; above 0.02 the timings are suspect."""

    @property
    def finished_at(self) -> datetime:
        """When the verdict was in."""
        return self.started_at + timedelta(0, self.duration_s)
