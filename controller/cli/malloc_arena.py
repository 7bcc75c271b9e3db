"""How the C library gives memory to the threads of the service."""

import ctypes

#: `M_ARENA_MAX` of glibc's <malloc.h>.
_M_ARENA_MAX = -8


def share_one_arena() -> None:
    """Let all threads that begin from now on take their memory from one arena, which holds less that is unused.

    glibc gives each an arena of its own, so that they need not wait for each other; ours wait for the interpreter
    anyway. Other C libraries have no arenas: nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)
