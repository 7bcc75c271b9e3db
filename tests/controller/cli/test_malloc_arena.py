"""All threads of the service share one arena of the C library's."""

import os
import platform
import subprocess
import sys

import pytest

#: Allocates in a thread beside the main one; the C library then prints its arenas.
ALLOCATE = """\
import ctypes, threading
from controller.cli.malloc_arena import share_one_arena
{call}
thread = threading.Thread(target=lambda: [bytearray(10_000) for _ in range(100)])
thread.start()
thread.join()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no arenas")
@pytest.mark.parametrize(("call", "arenas"), [("", 2), ("share_one_arena()", 1)])
def test_a_thread_begins_no_arena_of_its_own(call: str, arenas: int) -> None:
    """Not asked to share, it begins one."""
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    command = [sys.executable, "-c", ALLOCATE.format(call=call)]
    ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert ended.stderr.count("Arena ") == arenas
