"""The chart of the evidence behind a verdict: one step per probe, up to the threshold. Pure, every string escaped.

Times count back from the verdict, not from now, so that the HTML stays the same.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from controller.status.evidence import EvidenceTrail
from monitor.formatting import format_elapsed, plural
from monitor.health import WeighedProbe
from probes.outcome import Outcome
from ui.components import instant, outcome_class, pill, target, text

_MOST_ROWS = 6
_MOST_TICKS = 4
_TICKS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400)
#: A tick closer to either end would run into the label there.
_MARGIN_PERCENT = 9.0


def trails(verdicts: Sequence[EvidenceTrail], now: datetime) -> str:
    """One chart with its sentence for each verdict; empty when there is none."""
    return "".join(_figure(trail, text(trail.sentence), now) for trail in verdicts)


def _figure(trail: EvidenceTrail, sentence: str, now: datetime) -> str:
    height = f"{100 * trail.threshold / _top(trail):.0f}"
    return (
        f'<figure class="hs-trail"><figcaption class="hs-row">{_targets(trail)}{pill(trail.health)}'
        f'<span class="hs-since">{instant(trail.at, now)}</span></figcaption>'
        f'<div role="img" aria-label="How the evidence grew: {sentence}">'
        f'<div class="hs-plot">{_steps(trail)}<b class="hs-verdict" style="bottom:{height}%">'
        f"<span>verdict at {trail.threshold:.1f}</span></b></div>{_target_rows(trail)}{_axis(trail)}</div>"
        f'<p class="hs-reason">{sentence}</p></figure>'
    )


def _targets(trail: EvidenceTrail) -> str:
    if len(trail.targets) == 1:
        return target(trail.targets[0])
    provider = trail.targets[0].partition("/")[0]
    return f'<span class="hs-id">{text(provider)}</span><span class="hs-quiet">{len(trail.targets)} targets</span>'


def _steps(trail: EvidenceTrail) -> str:
    """The evidence over time as steps; the left edge of each step is a probe, in its colour."""
    probes, top = trail.probes, _top(trail)
    ends = [*(_left(trail, probe) for probe in probes[1:]), 100.0]
    return "".join(
        f'<i class="hs-{_colour(probe)}" title="{text(_tip(trail, probe))}" style="left:{left:.1f}%;'
        f'width:{max(0.0, end - left):.1f}%;height:{100 * probe.evidence / top:.0f}%"></i>'
        for probe, left, end in zip(probes, (_left(trail, probe) for probe in probes), ends, strict=True)
    )


def _target_rows(trail: EvidenceTrail) -> str:
    """One row of marks per target where the probes are of several, the targets with most failures first."""
    against = Counter(probe.target for probe in trail.probes if trail.against(probe))
    names = sorted({probe.target for probe in trail.probes}, key=lambda name: (-against[name], name))
    if len(names) < 2:
        return ""
    rows = "".join(_target_row(trail, name, against[name]) for name in names[:_MOST_ROWS])
    rest = plural(len(names) - _MOST_ROWS, "more target")
    return rows + (f'<div class="hs-lane-name">and {rest}</div>' if len(names) > _MOST_ROWS else "")


def _target_row(trail: EvidenceTrail, name: str, against: int) -> str:
    own = [probe for probe in trail.probes if probe.target == name]
    marks = "".join(
        f'<i class="hs-{_colour(probe)}" title="{text(_tip(trail, probe))}" '
        f'style="left:{_left(trail, probe):.1f}%"></i>'
        for probe in own
    )
    model = name.partition("/")[2] or name
    return (
        f'<div class="hs-lane-name"><span>{text(model)}</span><span>{against} of {len(own)}</span></div>'
        f'<div class="hs-lane">{marks}</div>'
    )


def _axis(trail: EvidenceTrail) -> str:
    length_s = _length_s(trail)
    step_s = next((step for step in _TICKS_S if length_s / step <= _MOST_TICKS), _TICKS_S[-1])
    places = [(tick, 100 - 100 * tick / length_s) for tick in range(step_s, int(length_s) + 1, step_s)][:_MOST_TICKS]
    ticks = "".join(
        f'<span style="left:{left:.1f}%">−{format_elapsed(tick)}</span>'
        for tick, left in places
        if _MARGIN_PERCENT <= left <= 100 - 2 * _MARGIN_PERCENT
    )
    return f'<div class="hs-axis">{ticks}<span class="hs-end">verdict</span></div>'


def _tip(trail: EvidenceTrail, probe: WeighedProbe) -> str:
    before = format_elapsed(max(0.0, (trail.at - probe.at).total_seconds()))
    return f"{before} before: {probe.outcome} from {probe.target}, evidence {probe.evidence:.1f}"


def _colour(probe: WeighedProbe) -> str:
    """Grey for `ok`: the chart shows what led to the verdict."""
    return "none" if probe.outcome is Outcome.OK else outcome_class(probe.outcome)


def _top(trail: EvidenceTrail) -> float:
    """The evidence at the upper edge of the chart."""
    return 1.12 * max(trail.threshold, *(probe.evidence for probe in trail.probes))


def _left(trail: EvidenceTrail, probe: WeighedProbe) -> float:
    """Percent from the left: 0 the first probe, 100 the verdict."""
    before_s = (trail.at - probe.at).total_seconds()
    return min(100.0, max(0.0, 100 - 100 * before_s / _length_s(trail)))


def _length_s(trail: EvidenceTrail) -> float:
    return max(trail.span_s, 1.0)
