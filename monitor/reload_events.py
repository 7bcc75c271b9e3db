"""The kinds of events by which people ask a running service to read its configuration anew, and are answered."""

from typing import Final

ASKED: Final = "reload_asked"
"""Its subject is who asked."""
LOADED: Final = "configuration_loaded"
"""Its subject, like that of the next, is the revision."""
UNCHANGED: Final = "configuration_unchanged"
REFUSED: Final = "configuration_refused"
ANSWERS: Final = (LOADED, UNCHANGED, REFUSED)
