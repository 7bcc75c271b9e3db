"""How long an application may wait for a target, from how long its probes take (pure)."""

from math import ceil
from typing import Final

from monitor.detection.latency import HIGH, LatencyEvidence

#: No answer is late for an application before this, however fast the probes are: its own are longer.
_SHORTEST_LIMIT_S: Final = 10.0
#: A limit is so many times what this share of the probes stays under.
_TIMES: Final = 3
_SHARE: Final = 0.995


def request_limits(latency: LatencyEvidence, *, longest_probe_s: float) -> dict[str, float]:
    """The `limits` of a target in the routing file, in seconds; empty until its probes have shown enough.

    Whole seconds, and two digits of the p95: they stay as they are while it answers as ever. A probe is given up after
    `longest_probe_s`, so that no answer took longer, whatever a skewed course suggests.
    """
    total_s = latency.slowest_check_s(_SHARE)
    high_s = latency.slowest_check_s(HIGH)
    if total_s is None or high_s is None:
        return {}
    token_s = latency.slowest_first_token_s(_SHARE) or total_s
    first_token_s, stall_s = (
        float(ceil(max(_SHORTEST_LIMIT_S, _TIMES * min(took_s, longest_probe_s)))) for took_s in (token_s, total_s)
    )
    return {"first_token_s": first_token_s, "stall_s": stall_s, "p95_s": float(f"{min(high_s, longest_probe_s):.2g}")}
