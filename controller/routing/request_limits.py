"""How long an application may wait for a target, from how long its probes take, and applications' requests (pure)."""

from math import ceil
from typing import Final

from monitor.detection.latency import HIGH, LatencyEvidence
from monitor.traffic.answer_times import AnswerTimes

#: No answer is late for an application before this, however fast the probes are: its own are longer.
_SHORTEST_LIMIT_S: Final = 10.0
#: A limit is so many times what this share of the probes stays under.
_TIMES: Final = 3
_SHARE: Final = 0.995
#: Where more answers than this are no streams, applications wait for whole ones.
_FEW: Final = 0.05


def request_limits(
    latency: LatencyEvidence, *, longest_probe_s: float, reported: AnswerTimes | None = None
) -> dict[str, float]:
    """The `limits` of a target in the routing file, in seconds; empty until enough is known.

    Whole seconds, and two digits of the p95: they stay as they are while it answers as ever. What applications have
    reported enough of is taken from that. A probe is given up after `longest_probe_s`, so that none of its answers took
    longer, whatever a skewed course suggests.
    """
    return _limits_of_probes(latency, longest_probe_s) | (_limits_of_traffic(reported) if reported else {})


def _limits_of_probes(latency: LatencyEvidence, longest_probe_s: float) -> dict[str, float]:
    total_s = latency.slowest_check_s(_SHARE)
    high_s = latency.slowest_check_s(HIGH)
    if total_s is None or high_s is None:
        return {}
    token_s = latency.slowest_first_token_s(_SHARE) or total_s
    first_token_s, stall_s = (_wait_s(min(took_s, longest_probe_s)) for took_s in (token_s, total_s))
    return {"first_token_s": first_token_s, "stall_s": stall_s, "p95_s": _two_digits(min(high_s, longest_probe_s))}


def _limits_of_traffic(reported: AnswerTimes) -> dict[str, float]:
    """The pause between two pieces is not reported: it is the probes', unless applications wait for whole answers."""
    high_s, total_s = reported.duration.quantile_s(HIGH), reported.duration.quantile_s(_SHARE)
    token_s = reported.first_token.quantile_s(_SHARE)
    whole = reported.duration.total - reported.first_token.total > _FEW * reported.duration.total
    return {
        **({"first_token_s": _wait_s(token_s)} if token_s is not None else {}),
        **({"stall_s": _wait_s(total_s)} if total_s is not None and whole else {}),
        **({"p95_s": _two_digits(high_s)} if high_s is not None else {}),
    }


def _wait_s(took_s: float) -> float:
    return float(ceil(max(_SHORTEST_LIMIT_S, _TIMES * took_s)))


def _two_digits(seconds: float) -> float:
    return float(f"{seconds:.2g}")
