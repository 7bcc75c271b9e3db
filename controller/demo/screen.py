"""Prints the drill: lines with a live table below them on a terminal, plain lines anywhere else."""

from collections.abc import Sequence
from datetime import datetime
from io import TextIOWrapper
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from controller.demo.narration import Line, ServiceSnapshot, percent
from controller.demo.traffic import DrillPhase, Traffic
from monitor.health import Health, HealthLevel, TargetHealth
from probes.outcome import Outcome
from probes.redaction import one_line

_BAR = 6
_LONGEST = 1000
_OTHER_COLUMNS = 66
"""Width of a line without the strip of probes."""
_COLOURS = {
    HealthLevel.GOOD: "green",
    HealthLevel.WATCH: "yellow",
    HealthLevel.BAD: "bold red",
    HealthLevel.INFO: "cyan",
    HealthLevel.OURS: "magenta",
    HealthLevel.NONE: "dim",
}


class Screen:
    """Prints to a stream; a context manager, because the live table takes over the cursor."""

    def __init__(self, stream: TextIO, *, started_at: datetime) -> None:
        """Times are shown in seconds since `started_at`."""
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # not every terminal and pipe has all characters of the messages
        self._stream = stream
        self._started_at = started_at
        self._live: Live | None = None
        if stream.isatty():
            self._live = Live(console=Console(file=stream), auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Take over the cursor of a terminal."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Give the cursor back; the table disappears, the lines stay."""
        if self._live:
            self._live.stop()

    def say(self, *lines: Line) -> None:
        """Add lines to the timeline."""
        for line in lines:
            at_s, text = (line.at - self._started_at).total_seconds(), one_line(line.text, _LONGEST)
            if self._live:
                colour = {True: "green", False: "red", None: ""}[line.good]
                row = Table.grid(
                    Column(justify="right", width=8, style="dim"),
                    Column(width=9, style="bold"),
                    Column(overflow="fold"),
                    padding=(0, 1),
                )
                row.add_row(f"{at_s:.1f} s", line.topic, Text(text, style=colour))
                self._live.console.print(row)
            else:
                self._stream.write(f"{at_s:6.1f} s  {line.topic:<9} {text}\n")
                self._stream.flush()

    def show(
        self, facts: ServiceSnapshot, traffic: Traffic, *, targets: Sequence[str], serving: str | None, first: str
    ) -> None:
        """Update the table, where there is one: the routing file points at `serving`, the baseline asks `first`."""
        if self._live:
            strip = max(10, min(40, self._live.console.width - _OTHER_COLUMNS))
            self._live.update(
                Group("", _targets(facts, targets, serving, strip), "", _users(traffic, first)), refresh=True
            )


def _targets(facts: ServiceSnapshot, targets: Sequence[str], serving: str | None, strip: int) -> Table:
    table = _table("  target (▶ serves users)", "health", "evidence", "probes")
    for target in targets:
        state = facts.health.get(target)
        health = state.health if state else Health.UNKNOWN
        outcomes = [each.outcome for each in facts.observations.get(target, ())[-strip:]]
        table.add_row(
            Text(f"▶ {target}", style="bold") if target == serving else f"  {target}",
            Text(health, style=_COLOURS[health.level]),
            _evidence(state),
            Text.assemble(*(("■", "green" if outcome is Outcome.OK else "red") for outcome in outcomes)),
        )
    return table


def _users(traffic: Traffic, first: str) -> Table:
    table = _table("failed requests", "the last 5 s", *DrillPhase)
    for name, caller in (("by the routing file", traffic.application), (f"always {first}", traffic.baseline)):
        shares = [caller.recent_failed_share, *map(caller.failed_share, DrillPhase)]
        table.add_row(name, *(Text(percent(share), style="red" if share and share > 0.02 else "") for share in shares))
    return table


def _table(*headings: str) -> Table:
    columns = (Column(heading, no_wrap=True) for heading in headings)
    return Table(*columns, box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))


def _evidence(state: TargetHealth | None) -> Text:
    if state is None or state.threshold <= 0:
        return Text("–", style="dim")
    filled = min(_BAR, round(_BAR * state.evidence / state.threshold))
    bar = Text("█" * filled, style="red").append("░" * (_BAR - filled), style="dim")
    return bar.append(f" {state.evidence:4.1f} of {state.threshold:.1f}")
