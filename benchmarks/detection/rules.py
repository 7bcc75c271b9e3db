"""The rules by which peers that probe call something unhealthy, each re-created from its source.

A rule is the memory of one unit, a target or a whole provider, fed with the results of its probes in the order in which
they come in. Times are seconds on the scenario's clock. The sources and the versions read are in `docs/detection.md`.
"""

from collections import deque
from typing import Protocol

NEVER = float("inf")


class Rule(Protocol):
    """What the runner needs of a rule."""

    unhealthy: bool
    """Its verdict; routes leave a target while this is true."""

    @property
    def due_s(self) -> float:
        """When `tick` next has something to do; `NEVER` when only an observation can change the verdict."""

    @property
    def settled(self) -> bool:
        """Healthy, and no number of successes would change anything: the runner may skip to the next failure."""

    def observe(self, at_s: float, failed: bool, checker: int = 0) -> None:
        """Take in the result of one probe, from one of the places it is probed from."""

    def tick(self, at_s: float) -> None:
        """Let time pass until `due_s`."""


class Streak:
    """So many failures in a row make it unhealthy, so many successes in a row healthy again.

    Gatus 3 and 2; Uptime Kuma `maxretries + 1` and 1; agentgateway as configured; check-cx, AISIX and LiteLLM's
    background check 1 and 1, the last result.
    """

    due_s = NEVER

    def __init__(self, *, bad: int, good: int) -> None:
        self._bad, self._good = bad, good
        self._failures = self._successes = 0
        self.unhealthy = False

    @property
    def settled(self) -> bool:
        """No failure since the last success."""
        return not self.unhealthy and self._failures == 0

    def observe(self, _at_s: float, failed: bool, _checker: int = 0) -> None:
        """Count the run of equal results; one of the other kind starts it anew."""
        if failed:
            self._failures, self._successes = self._failures + 1, 0
            self.unhealthy = self.unhealthy or self._failures >= self._bad
        else:
            self._failures, self._successes = 0, self._successes + 1
            self.unhealthy = self.unhealthy and self._successes < self._good

    def tick(self, at_s: float) -> None:
        """Nothing happens by time alone."""


class KOfN:
    """Unhealthy exactly while at least k of the last n probes failed (Cloudprober's alerts); no second threshold.

    The very first result of a target is dropped, as Cloudprober does.
    """

    due_s = NEVER

    def __init__(self, *, k: int, n: int) -> None:
        self._k = k
        self._last: deque[bool] = deque(maxlen=n)
        self._first = True
        self.unhealthy = False

    @property
    def settled(self) -> bool:
        """No failure among the last n."""
        return not self._first and not any(self._last)

    def observe(self, _at_s: float, failed: bool, _checker: int = 0) -> None:
        """Slide the window by one."""
        if self._first:
            self._first = False
            return
        self._last.append(failed)
        self.unhealthy = sum(self._last) >= self._k

    def tick(self, at_s: float) -> None:
        """Nothing happens by time alone."""


class Share:
    """Unhealthy while more than a share of the probes of the last minutes failed, looked at once a minute (llmstatus).

    Every probe of a provider counts, whatever its model. Fewer than `least` probes in the window are healthy, and the
    first look at which the rule does not hold makes it healthy again.
    """

    def __init__(
        self, *, more_than: float, window_s: float, phase_s: float, every_s: float = 60.0, least: int = 3
    ) -> None:
        self._more_than, self._window_s, self._least = more_than, window_s, least
        self._every_s, self._next_s = every_s, phase_s
        self._seen: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self.unhealthy = False

    @property
    def due_s(self) -> float:
        """The next look."""
        return self._next_s

    @property
    def settled(self) -> bool:
        """No failure in the window."""
        return not self.unhealthy and self._failures == 0

    def observe(self, at_s: float, failed: bool, _checker: int = 0) -> None:
        """Remember it until it leaves the window."""
        self._seen.append((at_s, failed))
        self._failures += failed

    def tick(self, at_s: float) -> None:
        """Take the look that is due, and plan the next."""
        while self._seen and self._seen[0][0] < at_s - self._window_s:
            self._failures -= self._seen.popleft()[1]
        total = len(self._seen)
        self.unhealthy = total >= self._least and self._failures / total > self._more_than
        self._next_s += self._every_s


class Quorum:
    """Several regions; a change in one flips the whole when at least half of them now say the same (OpenStatus).

    The test is the same in both directions, so a tie satisfies both.
    """

    due_s = NEVER

    def __init__(self, *, regions: int) -> None:
        self._bad = [False] * regions
        self.unhealthy = False

    @property
    def settled(self) -> bool:
        """No region reports a failure."""
        return not self.unhealthy and not any(self._bad)

    def observe(self, _at_s: float, failed: bool, checker: int = 0) -> None:
        """Only a region whose status changes makes the regions be counted."""
        if self._bad[checker] is failed:
            return
        self._bad[checker] = failed
        if 2 * self._bad.count(failed) >= len(self._bad):
            self.unhealthy = failed

    def tick(self, at_s: float) -> None:
        """Nothing happens by time alone."""


class Checkers:
    """Many checkers, each with a streak of its own; healthy while more than a share of them says so (Route 53)."""

    due_s = NEVER

    def __init__(self, *, checkers: int, in_a_row: int = 3, healthy_above: float = 0.18) -> None:
        self._checkers = [Streak(bad=in_a_row, good=in_a_row) for _ in range(checkers)]
        self._enough = healthy_above * checkers
        self._healthy = self._settled = checkers
        self.unhealthy = False

    @property
    def settled(self) -> bool:
        """Every checker is."""
        return self._settled == len(self._checkers)

    def observe(self, at_s: float, failed: bool, checker: int = 0) -> None:
        """Let the one checker judge, then count."""
        own = self._checkers[checker]
        unhealthy, settled = own.unhealthy, own.settled
        own.observe(at_s, failed)
        self._healthy += unhealthy - own.unhealthy
        self._settled += own.settled - settled
        self.unhealthy = self._healthy <= self._enough

    def tick(self, at_s: float) -> None:
        """Nothing happens by time alone."""
