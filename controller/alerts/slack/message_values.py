"""What the letters to Slack depend on, and what a letter is (pure)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from controller.alerts.delivery import Delivery, DeliverySnapshot, state_key
from controller.alerts.quiet_hours import quiet_until
from controller.alerts.slack.blocks import Message
from controller.alerts.told import NOTHING_TOLD, Receipt
from monitor.settings import Route, SlackSettings

SINK: Final = "slack"
#: What waited for longer than this is told late, and says so.
_LATE: Final = timedelta(minutes=5)


class Action(StrEnum):
    """What to do with a letter."""

    POST = "post"
    EDIT = "edit"
    KEEP = "keep"
    """Nothing to send: people know it already."""
    MARK = "mark"
    """Nothing to send: the key itself is what is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMessage:
    """One message that is due."""

    key: str
    """What it is about, the same in every round; that of its delivery where it is posted."""
    act: Action
    message: Callable[[], Message] | None = None
    """Its words, put together when it is sent."""
    channel: str = ""
    """To post: as the configuration names it, or Slack's own name; to edit: Slack's own name."""
    ts: str | None = None
    """To edit: which message; to post: in whose thread, None in the channel."""
    broadcast: bool = False
    """A reply in a thread that is shown in the channel too."""
    incident_id: int | None = None
    group: int | None = None
    """The incident under whose headline it is told: the letters of a group go out in their order, or not at all."""
    told: Receipt = NOTHING_TOLD
    shows: str = ""
    """What the message shows once it stands, in short: an edit that would show the same is not due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageInput:
    """Everything that the letters depend on."""

    book: DeliverySnapshot
    slack: SlackSettings
    now: datetime
    shown: Mapping[str, str]
    """What the messages show that this process has posted or edited, by their ts."""
    routes: Sequence[Route] | None = None
    """The configured routes, where headlines get buttons; None: nobody hears a press, and they get none."""

    @property
    def quiet(self) -> bool:
        """Only what is critical is told now."""
        return quiet_until(self.slack.quiet_hours, self.now) is not None

    @property
    def room(self) -> int:
        """How many more messages there may be in this hour, what is critical aside."""
        return 0 if self.quiet else max(0, self.slack.most_per_hour - len(self.book.sent_at))

    @property
    def reserve(self) -> int:
        """So many of them are kept for saying that others are held back."""
        return 1 if self.slack.most_per_hour > 1 else 0

    def row(self, key: str) -> Delivery | None:
        """The delivery under this key, if it is done."""
        found = self.book.rows.get(key)
        return found if found and found.done_at else None

    def late(self, since: datetime) -> str | None:
        """Why something of that time comes only now, in words; None where it comes in time."""
        if self.now - since < _LATE:
            return None
        spell = self.book.rows.get(state_key(SINK))
        if spell and (spell.done_at is None or spell.done_at > since):
            return "while Slack was unreachable"
        if quiet_until(self.slack.quiet_hours, since):
            return "during quiet hours"
        held = any(key.startswith(f"{SINK} held ") for key in self.book.rows)
        return "while messages were held back" if held else "while nobody could be told"
