"""How many files this process may have open, and how many of them are for probes and for connections to the API."""

import resource
from contextlib import suppress
from typing import Final

#: A probe has one connection; while the addresses of a name are tried, two.
FILES_PER_PROBE: Final = 2
#: The database, the routing file, alerts, status pages.
OTHER_FILES: Final = 64
#: So many connections to the API at once, where there are files for them.
MOST_CONNECTIONS: Final = 12_000
_ENOUGH: Final = 65_536
_LEAST: Final = 16


def raise_open_files() -> int:
    """How many files this process may have open, after asking for as many as it can be given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft


def most_connections(open_files: int) -> int:
    """How many connections to the API there may be: at most half of the files, for probes need some, too."""
    return max(_LEAST, min(MOST_CONNECTIONS, (open_files - OTHER_FILES) // 2))


def most_probes(open_files: int) -> int:
    """How many probes may be under way: they have what the API leaves."""
    return max(_LEAST, (open_files - OTHER_FILES - most_connections(open_files)) // FILES_PER_PROBE)
