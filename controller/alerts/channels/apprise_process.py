"""Sends one message through the Apprise library and ends: a process of its own, because the library reads answers of
any size for as long as they come.

It reads a JSON object from standard input, so that no other process sees the address: `url`, `title`, `body`, `type`;
and writes one: `service` (empty: Apprise does not know the address), `taken`, `status` (0: none) and `unreached`.
"""

import json
import logging
import re
import resource
import signal
import sys
from typing import Any, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, OverflowMode

#: Whoever waits for it gives up earlier; what hangs on ends with it.
_LONGEST_S: Final = 120
_MOST_BYTES: Final = 256 * 1024 * 1024
_STATUS: Final = re.compile(r"error=(\d{3})\b")


class _Warnings(logging.Handler):
    """Remembers what Apprise warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.texts.append(record.getMessage())


def notify(asked: dict[str, str]) -> dict[str, Any]:
    """What became of it, without a word of Apprise's: they may hold parts of the address."""
    warnings = _Warnings()
    logger = logging.getLogger("apprise")
    logger.addHandler(warnings)
    logger.propagate = False
    asset = AppriseAsset(app_id="Hotspare", app_desc="Hotspare", async_mode=False)
    service: Any = Apprise.instantiate(asked["url"], asset=asset)
    if service is None:
        return {"service": "", "taken": False, "status": 0, "unreached": False}
    if service.overflow_mode == OverflowMode.UPSTREAM:
        # Else a service that takes only short messages would take none.
        service.overflow_mode = OverflowMode.TRUNCATE
    taken = Apprise(service, asset=asset).notify(
        title=asked["title"], body=asked["body"], notify_type=NotifyType(asked["type"]), body_format=NotifyFormat.TEXT
    )
    logged = "\n".join(warnings.texts)
    return {
        "service": str(service.service_name),
        "taken": bool(taken),
        "status": int(next(reversed(_STATUS.findall(logged)), 0)),
        "unreached": "connection error" in logged.lower(),
    }


def main() -> None:
    """Bounded in time and memory; a crash is for who started it to tell."""
    signal.alarm(_LONGEST_S)
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, _MOST_BYTES))
    json.dump(notify(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
