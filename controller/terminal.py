"""How the commands write: coloured and fitted on a terminal; plain and uncut in a pipe."""

from rich.console import Console

_PIPE_COLUMNS = 400


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, for which a reader that went away is no bad news."""
        raise BrokenPipeError


def terminal() -> Console:
    """Standard output. Nothing is highlighted by guess; a pipe gets long lines rather than folded ones."""
    console = _Output(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    return console
