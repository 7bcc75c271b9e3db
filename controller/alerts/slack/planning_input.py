"""What the planned messages to Slack depend on (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.alerts.delivery import Delivery, DeliveryKind, DeliverySnapshot
from controller.alerts.quiet_hours import quiet_until
from monitor.settings import Route, SlackSettings

SINK: Final = "slack"
#: What waited for longer than this is told late, and says so.
_LATE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningInput:
    """Everything that decides which messages are due."""

    snapshot: DeliverySnapshot
    slack: SlackSettings
    now: datetime
    shown: Mapping[str, str]
    """What the messages show that this process has posted or edited, by their ts."""
    routes: Sequence[Route] | None = None
    """The configured routes, where headlines get buttons; None: nobody hears a press, and they get none."""

    @property
    def is_quiet(self) -> bool:
        """Whether only what is critical is told now."""
        return quiet_until(self.slack.quiet_hours, self.now) is not None

    @property
    def room(self) -> int:
        """How many more messages there may be in this hour, what is critical aside."""
        return 0 if self.is_quiet else max(0, self.slack.most_per_hour - len(self.snapshot.sent_at))

    @property
    def reserve(self) -> int:
        """So many of them are kept for saying that others are held back."""
        return 1 if self.slack.most_per_hour > 1 else 0

    def delivered(self, key: str) -> Delivery | None:
        """The delivery of this key, if it is done."""
        delivery = self.snapshot.deliveries.get(key)
        return delivery if delivery and delivery.done_at else None

    def last_call(self, incident_id: int) -> Delivery | None:
        """The last message that called a person to this incident; None: there was none."""
        deliveries = self.snapshot.deliveries.values()
        calls = (one for one in deliveries if one.incident_id == incident_id and one.call and one.done_at)
        return max(calls, key=lambda one: one.call or 0, default=None)

    def late(self, since: datetime) -> str | None:
        """Why something of that time is told only now, as a phrase; None where it is told in time."""
        if self.now - since < _LATE:
            return None
        outage = self.snapshot.outage
        if outage and (outage.over_at is None or outage.over_at > since):
            return "while Slack was unreachable"
        if quiet_until(self.slack.quiet_hours, since):
            return "during quiet hours"
        held = any(one.kind is DeliveryKind.HELD for one in self.snapshot.deliveries.values())
        return "while messages were held back" if held else "while nobody could be told"
