"""How the commands write: coloured and fitted on a terminal; plain and uncut in a pipe."""

from rich.console import Console

from probes.outcome import Effect, Outcome

_PIPE_COLUMNS = 400
_COLOURS = {Effect.UP: "green", Effect.DEGRADED: "yellow", Effect.THROTTLED: "yellow", Effect.NOTHING: "yellow"}


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, for which a reader that went away is no bad news."""
        raise BrokenPipeError


def outcome_style(outcome: Outcome) -> str:
    """The colour that says how bad it is."""
    return _COLOURS.get(outcome.effect, "red")


def terminal() -> Console:
    """Standard output. Nothing is highlighted by guess; a pipe gets long lines rather than folded ones."""
    console = _Output(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    return console
