"""Sends alerts to a service that the Apprise library knows, an optional extra."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Final

from controller.alerts.alert import Alert, AlertKind, mask_secrets
from controller.alerts.channel import AlertChannel, ChannelContext, DeliveryError, PerAlertChannel
from monitor.config.alert_settings import Severity
from probes.target import Secret

DEADLINE_S: Final = 30.0
_PROCESS: Final = "controller.alerts.channels.apprise_process"
#: It ends itself before.
_LONGEST_S: Final = 150.0
_PASSING: Final = frozenset({408, 425, 429})
_TYPES: Final = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}
#: What services read as a mention, a link or a tag gives way to lookalikes: much of the text is not ours.
_LOOKALIKES: Final = str.maketrans({"@": "＠", "<": "‹", ">": "›", "[": "［", "]": "］"})


class AppriseChannel(PerAlertChannel):
    """Sends each alert once when asked to, from a thread of its own; raises DeliveryError, after 30 s at the latest.

    A send that is still under way after that goes on for two minutes at most, and its late yes counts: what it took is
    not sent again. The library runs in a process of its own, which has a bound in memory.
    """

    every_change = False
    #: What is told here cannot be taken back or edited, and some services charge for it.
    most_per_hour = 30
    gets = "opening, end, and what becomes critical"

    def __init__(
        self,
        number: int,
        url: Secret,
        *,
        secrets: Iterable[Secret] = (),
        deadline_s: float = DEADLINE_S,
        epoch: int = 0,
    ) -> None:
        self._epoch = f"\n\nepoch {epoch}" if epoch else ""
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
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            future.set_result(DeliveryError(f"{self.name} failed ({type(error).__name__})"))

    def _notify(self, alert: Alert) -> DeliveryError | None:
        """None when it was taken, else why not, without the address; on a thread that does nothing else."""
        over = alert.kind is AlertKind.INCIDENT_RESOLVED
        asked = {
            "url": self._url.reveal(),
            "title": self._clean(alert.headline),
            "body": self._clean(alert.text) + self._epoch,
            "type": "success" if over else _TYPES[alert.severity],
        }
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", _PROCESS],
            input=json.dumps(asked).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST_S,
            check=True,
        )
        said = json.loads(done.stdout)
        if not said["service"]:
            return DeliveryError(f"{self.name} is not an address that Apprise knows")
        return None if said["taken"] else self._refusal(said["service"], said["status"], unreached=said["unreached"])

    def _clean(self, text: str) -> str:
        return replace_markup(mask_secrets(text, self._hidden))

    def _refusal(self, service_name: str, status: int, *, unreached: bool) -> DeliveryError:
        """With the last status of an HTTP answer that Apprise warned of, or that there was none."""
        why = f": HTTP {status}" if status else ": it could not be reached" if unreached else ""
        permanent = 400 <= status < 500 and status not in _PASSING
        advice = "; check its address in alerts.apprise" if permanent else ""
        return DeliveryError(f"{self.name} ({service_name}) did not take it{why}{advice}", permanent=permanent)


def apprise_channels(context: ChannelContext) -> Iterator[AlertChannel]:
    """One for each address in `alerts.apprise`."""
    for number, url in enumerate(context.settings.alerts.apprise, start=1):
        yield AppriseChannel(number, url, secrets=context.secrets, epoch=context.epoch)


def replace_markup(text: str) -> str:
    """The text without what services take for a mention, a tag or a link's label."""
    return text.translate(_LOOKALIKES)
