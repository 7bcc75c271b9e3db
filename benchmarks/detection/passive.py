"""The rules of gateways that judge by the requests that pass through them, re-created from their sources.

They need the application's traffic in their path, and see a target only while it gets some. Times are seconds on the
scenario's clock. The sources and the versions read are in `docs/detection.md`.
"""

from benchmarks.detection.rules import NEVER


class Tally:
    """A counter that expires a minute after its own first event (LiteLLM's in-process cache)."""

    def __init__(self, lives_s: float = 60.0) -> None:
        self._lives_s, self._until_s, self._count = lives_s, -NEVER, 0

    def add(self, at_s: float) -> None:
        """One more; the first after an expiry starts a new minute."""
        if at_s >= self._until_s:
            self._until_s, self._count = at_s + self._lives_s, 0
        self._count += 1

    def count(self, at_s: float) -> int:
        """How many there were this minute."""
        return self._count if at_s < self._until_s else 0


class Cooldown:
    """LiteLLM's router by default, more than one deployment in the group: out for 5 s, back by the timer alone.

    On a failure: more than half of at least 5 requests this minute failed, or all of at least 1,000. Failures and
    successes have minutes of their own.
    """

    settled = False

    def __init__(self, *, out_s: float = 5.0) -> None:
        self._out_s = out_s
        self._failed, self._passed = Tally(), Tally()
        self.due_s = NEVER
        self.unhealthy = False

    def observe(self, at_s: float, failed: bool, _checker: int = 0) -> None:
        """Count it; only a failure is judged."""
        (self._failed if failed else self._passed).add(at_s)
        if not failed:
            return
        failures = self._failed.count(at_s)
        requests = failures + self._passed.count(at_s)
        share = failures / requests
        if (share > 0.5 and requests >= 5) or (share == 1 and requests >= 1000):
            self.unhealthy, self.due_s = True, at_s + self._out_s

    def tick(self, _at_s: float) -> None:
        """The cooldown is over, whatever the state of the deployment."""
        self.unhealthy, self.due_s = False, NEVER


class Tumbling:
    """Helicone's gateway: every 5 s, out when more than a tenth of at least 20 requests of this minute failed, else in.

    The counter holds the current lap of a minute only, so an ejected provider is back once the lap ends.
    """

    settled = False

    def __init__(self, *, phase_s: float, every_s: float = 5.0, lap_s: float = 60.0) -> None:
        self._every_s, self._lap_s = every_s, lap_s
        self._lap = -1.0
        self._requests = self._failures = 0
        self.due_s = phase_s
        self.unhealthy = False

    def observe(self, at_s: float, failed: bool, _checker: int = 0) -> None:
        """Count it in its lap."""
        self._turn(at_s)
        self._requests += 1
        self._failures += failed

    def tick(self, at_s: float) -> None:
        """Judge the lap so far."""
        self._turn(at_s)
        self.unhealthy = self._requests >= 20 and self._failures / self._requests > 0.1
        self.due_s = at_s + self._every_s

    def _turn(self, at_s: float) -> None:
        lap = at_s // self._lap_s
        if lap != self._lap:
            self._lap, self._requests, self._failures = lap, 0, 0


class Ejection:
    """Envoy's outlier detection: five failures in a row eject for 30 s times the ejections so far, at most 300 s.

    Every 10 s it lets hosts back whose time is over; a host found in the pool at such a look has one ejection forgiven.
    At most a tenth of the hosts may be out, but always one: in a small cluster a second host is never ejected.
    """

    settled = False

    def __init__(self, *, phase_s: float, out: set[object], in_a_row: int = 5, every_s: float = 10.0) -> None:
        self._in_a_row, self._every_s = in_a_row, every_s
        self._failures = self._ejections = 0
        self._ejected_s = -NEVER
        self._out = out
        """The hosts of the cluster that are ejected; shared by all of its rules."""
        self.due_s = phase_s
        self.unhealthy = False

    def observe(self, at_s: float, failed: bool, _checker: int = 0) -> None:
        """One success starts the count anew, and so does the fifth failure."""
        self._failures = self._failures + 1 if failed else 0
        if self._failures < self._in_a_row or self.unhealthy:
            return
        self._failures = 0
        if not self._out:
            self.unhealthy, self._ejected_s = True, at_s
            self._ejections = min(11, self._ejections + 1)
            self._out.add(self)

    def tick(self, at_s: float) -> None:
        """Let it back if its time is over."""
        self.due_s = at_s + self._every_s
        if not self.unhealthy:
            self._ejections = max(0, self._ejections - 1)
        elif at_s - self._ejected_s >= min(30.0 * self._ejections, 300.0):
            self.unhealthy, self._failures = False, 0
            self._out.discard(self)
