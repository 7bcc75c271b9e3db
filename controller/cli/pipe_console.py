"""A console whose reader may go away."""

from rich.console import Console


class PipeConsole(Console):
    """Raises BrokenPipeError when that happens."""

    def on_broken_pipe(self) -> None:
        """Leave it to `main`, which ends quietly."""
        raise BrokenPipeError
