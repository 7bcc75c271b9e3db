"""Reads one press of a button from what Slack sends (pure); its texts are hostile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from controller.alerts.slack.buttons.buttons import Button, parse_button
from controller.alerts.slack.buttons.rules import PRESSER
from probes.redaction import one_line

_LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One press of a button; the texts are hostile."""

    key: str
    """Identifies the press: the same when Slack sends it again."""
    user: str
    """Slack's member id."""
    name: str
    button: Button | None
    """None when this version draws no such button."""

    @property
    def author(self) -> str:
        """The author for the journal: `slack:U012AB3CD (ana)`."""
        name = one_line(self.name, _LONGEST_NAME)
        return one_line(f"{PRESSER}{self.user}" + (f" ({name})" if name else ""), 80)


def read_press(payload: Any, envelope_id: object) -> Press | None:
    """The press in an interactive envelope's payload; None when it is no press of a button of ours. Never raises."""
    match payload:
        case {
            "type": "block_actions",
            "user": {"id": str(user)} as person,
            "actions": [{"action_id": str(name)} as action],
        }:
            if not name.startswith("hotspare_"):
                return None
        case _:
            return None
    instant, container = action.get("action_ts"), payload.get("container")
    place = container.get("message_ts") if isinstance(container, dict) else None
    unique = f"{name} {place} {instant}" if isinstance(instant, str) else f"{envelope_id}"
    called = person.get("username") or person.get("name")
    return Press(
        key=one_line(f"buttons press {user} {unique}", 200),
        user=one_line(user, 30),
        name=called if isinstance(called, str) else "",
        button=parse_button(action.get("value")),
    )


def source_of(payload: Mapping[str, Any]) -> tuple[str, str | None]:
    """The channel of the message that was pressed, and the thread that it stands in."""
    container = payload.get("container")
    message = container if isinstance(container, dict) else {}
    thread = message.get("thread_ts")
    return str(message.get("channel_id") or ""), thread if isinstance(thread, str) else None
