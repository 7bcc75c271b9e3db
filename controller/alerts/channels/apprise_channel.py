"""Sends alerts to a service that the Apprise library knows; the only place that sends through it, an optional extra."""

import asyncio
import logging
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, Final

from controller.alerts.alert import Alert, AlertKind, mask_secrets
from controller.alerts.channel import AlertChannel, ChannelContext, DeliveryError, PerAlertChannel
from monitor.config.alert_settings import Severity
from probes.target import Secret

DEADLINE_S: Final = 30.0
_PASSING: Final = frozenset({408, 425, 429})
_STATUS = re.compile(r"error=(\d{3})\b")
#: What services read as a mention, a link or a tag gives way to lookalikes: much of the text is not ours.
_LOOKALIKES: Final = str.maketrans({"@": "＠", "<": "‹", ">": "›", "[": "［", "]": "］"})


class AppriseChannel(PerAlertChannel):
    """Sends each alert once when asked to, from a thread of its own; raises DeliveryError, after 30 s at the latest.

    A send that is still under way after that goes on, and its late yes counts: what it took is not sent again.
    """

    every_change = False
    #: What is told here cannot be taken back or edited, and some services charge for it.
    most_per_hour = 30
    gets = "opening, end, and what becomes critical"

    def __init__(
        self, number: int, url: Secret, *, secrets: Iterable[Secret] = (), deadline_s: float = DEADLINE_S
    ) -> None:
        self.name = f"apprise {number}"
        self._url = url
        self._hidden = (url, *secrets)
        self._deadline_s = deadline_s
        self._under_way: tuple[str, Future[DeliveryError | None]] | None = None

    async def send(self, alert: Alert) -> None:
        """Hand it to the service; raises DeliveryError."""
        future = self._sending(alert)
        done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=self._deadline_s)
        if not done:
            raise DeliveryError(f"{self.name} did not answer within {self._deadline_s:g} s")
        self._under_way = None
        if error := future.result():
            raise error

    def _sending(self, alert: Alert) -> Future[DeliveryError | None]:
        """The send that is under way, if it is of this alert; else a new one."""
        if self._under_way:
            alert_id, future = self._under_way
            if alert_id == alert.id:
                return future
            if not future.done():
                raise DeliveryError(f"{self.name} has not answered yet to what it was sent before")
        future = Future()
        self._under_way = alert.id, future
        # A daemon: the end of the process must not wait for a service that hangs.
        threading.Thread(target=self._work, args=(alert, future), name=self.name, daemon=True).start()
        return future

    def _work(self, alert: Alert, future: "Future[DeliveryError | None]") -> None:
        try:
            future.set_result(self._notify(alert))
        except Exception as error:  # noqa: BLE001 - any of a hundred services' modules; its words may hold the address
            future.set_result(DeliveryError(f"{self.name} failed ({type(error).__name__})"))

    def _notify(self, alert: Alert) -> DeliveryError | None:
        """None when it was taken, else why not, without the address; on a thread that does nothing else."""
        # An optional extra, and slow to import.
        from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, OverflowMode  # noqa: PLC0415

        types = {
            Severity.CRITICAL: NotifyType.FAILURE,
            Severity.WARNING: NotifyType.WARNING,
            Severity.INFO: NotifyType.INFO,
        }
        over = alert.kind is AlertKind.INCIDENT_RESOLVED
        logging.getLogger("apprise").addFilter(_LOG_FILTER)  # once, however often it is called
        asset = AppriseAsset(app_id="Hotspare", app_desc="Hotspare", async_mode=False)
        service: Any = Apprise.instantiate(self._url.reveal(), asset=asset)
        if service is None:
            return DeliveryError(f"{self.name} is not an address that Apprise knows")
        if service.overflow_mode == OverflowMode.UPSTREAM:
            # Else a service that takes only short messages would take none.
            service.overflow_mode = OverflowMode.TRUNCATE
        all_of_it = Apprise(service, asset=asset)
        warnings: list[str] = []
        _WARNINGS.set(warnings)
        taken = all_of_it.notify(
            title=self._clean(alert.headline),
            body=self._clean(alert.text),
            notify_type=NotifyType.SUCCESS if over else types[alert.severity],
            body_format=NotifyFormat.TEXT,
        )
        return None if taken else self._refusal(service.service_name, warnings)

    def _clean(self, text: str) -> str:
        return replace_markup(mask_secrets(text, self._hidden))

    def _refusal(self, service_name: str, warnings: Iterable[str]) -> DeliveryError:
        """With the last status of an HTTP answer that Apprise warned of, or that there was none.

        Its words are not repeated: they may hold parts of the address.
        """
        logged = "\n".join(warnings)
        status = int(next(reversed(_STATUS.findall(logged)), 0))
        unreached = ": it could not be reached" if "connection error" in logged.lower() else ""
        why = f": HTTP {status}" if status else unreached
        permanent = 400 <= status < 500 and status not in _PASSING
        advice = "; check its address in alerts.apprise" if permanent else ""
        return DeliveryError(f"{self.name} ({service_name}) did not take it{why}{advice}", permanent=permanent)


def apprise_channels(context: ChannelContext) -> Iterator[AlertChannel]:
    """One for each address in `alerts.apprise`."""
    for number, url in enumerate(context.settings.alerts.apprise, start=1):
        yield AppriseChannel(number, url, secrets=context.secrets)


def replace_markup(text: str) -> str:
    """The text without what services take for a mention, a tag or a link's label."""
    return text.translate(_LOOKALIKES)


class _LogFilter(logging.Filter):
    """Keeps Apprise's log out of ours, and hands each call its own warnings."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never let it pass; Apprise works on threads of its own, which carry the context of the call."""
        warnings = _WARNINGS.get()
        if warnings is not None and record.levelno >= logging.WARNING:
            warnings.append(record.getMessage())
        return False


_WARNINGS: Final[ContextVar[list[str] | None]] = ContextVar("_WARNINGS", default=None)
_LOG_FILTER: Final = _LogFilter()
