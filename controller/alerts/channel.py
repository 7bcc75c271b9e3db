"""What tells people besides Slack has in common: what it is called, what it wants to hear, and how it says no."""

from typing import Protocol

from controller.alerts.alert import Alert


class NotTakenError(Exception):
    """An alert was not taken. The text is a sentence without its end, for people, without an address or a secret."""

    def __init__(
        self,
        text: str,
        *,
        permanent: bool = False,
        one_alert: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.permanent = permanent
        """A person must change something before trying again can help."""
        self.one_alert = one_alert
        """The fault is this alert's; when False, no other one would be taken either."""
        self.retry_after_s = retry_after_s
        """How long the other side asked us to wait."""


class AlertChannel(Protocol):
    """One receiver of alerts."""

    @property
    def name(self) -> str:
        """What its deliveries are kept under: `webhook`, `apprise 1`."""

    @property
    def every_change(self) -> bool:
        """Whether it wants every change of an incident; else its opening, its end, and what has become critical."""

    @property
    def most_per_hour(self) -> int | None:
        """So many alerts at most in any hour that are not critical; None: as many as there are."""

    async def send(self, alert: Alert) -> None:
        """Hand it over once; raises NotTakenError. Bounded in time."""
