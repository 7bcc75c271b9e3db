"""Writes the status as one HTML file: `hotspare page --static DIR`, and the process that the service starts for it."""

import argparse
import sys
from collections.abc import Sequence
from os import environ, getpid
from pathlib import Path

from controller.history.queries import read_past
from controller.status.incident_view import read_incidents
from controller.status.overview import read
from monitor.config.loader import load
from monitor.config.problems import ConfigError
from monitor.storage.database import DatabaseError, open_reader, shared_now
from ui import static_page
from ui.masthead import logo_address

_STYLE = Path(__file__).parent / "static" / "page.css"


def write_static(config: Path, folder: Path) -> int:
    """Write `index.html` into the folder, at once or not at all; 2, with the reason on standard error, if it cannot."""
    file = folder / "index.html"
    unfinished = file.with_name(f".{file.name}.{getpid()}.part")
    try:
        html = _render(config)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(html, encoding="utf-8")
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except (ConfigError, DatabaseError) as error:
        print(error, file=sys.stderr)  # noqa: T201 -- for the person at the terminal
        return 2
    except OSError as error:
        print(f"{file} cannot be written: {error.strerror or error}", file=sys.stderr)  # noqa: T201 -- likewise
        return 2
    return 0


def _render(config: Path) -> str:
    settings = load(config, environ, keys=False)
    engine, now = open_reader(settings.database), shared_now(settings.database)
    return static_page.render(
        read(settings, engine, now),
        read_past(engine, settings, now),
        read_incidents(engine),
        style=_STYLE.read_text(encoding="utf-8"),
        page=settings.ui,
        logo=logo_address(settings.ui.logo),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write it once: `python -m ui.static_file -c FILE DIR`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="the configuration")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where index.html goes")
    options = parser.parse_args(arguments)
    return write_static(options.config, options.folder)


if __name__ == "__main__":
    sys.exit(main())
