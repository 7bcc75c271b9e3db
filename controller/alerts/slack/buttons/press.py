"""One press of a button, as Slack tells of it (pure); its texts are hostile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from controller.alerts.slack.buttons.buttons import Button, pressed
from controller.alerts.slack.buttons.rules import PRESSER
from probes.redaction import one_line

_LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One press of a button, as Slack tells of it; the texts are hostile."""

    key: str
    """The same when Slack tells of it again; another one for every press."""
    user: str
    """Slack's member id."""
    name: str
    button: Button | None
    """None: it is none of this version's."""

    @property
    def author(self) -> str:
        """Who did it, as the journal names people: `slack:U012AB3CD (ana)`."""
        name = one_line(self.name, _LONGEST_NAME)
        return one_line(f"{PRESSER}{self.user}" + (f" ({name})" if name else ""), 80)


def read_press(payload: Any, envelope_id: object) -> Press | None:
    """The press that an interactive envelope tells of; None when it is none of a button of ours. Never raises."""
    match payload:
        case {
            "type": "block_actions",
            "user": {"id": str(user)} as who,
            "actions": [{"action_id": str(name)} as action],
        }:
            if not name.startswith("hotspare_"):
                return None
        case _:
            return None
    instant, container = action.get("action_ts"), payload.get("container")
    place = container.get("message_ts") if isinstance(container, dict) else None
    unique = f"{name} {place} {instant}" if isinstance(instant, str) else f"{envelope_id}"
    called = who.get("username") or who.get("name")
    return Press(
        key=one_line(f"buttons press {user} {unique}", 200),
        user=one_line(user, 30),
        name=called if isinstance(called, str) else "",
        button=pressed(action.get("value")),
    )


def source_of(payload: Mapping[str, Any]) -> tuple[str, str | None]:
    """The channel of the message that was pressed, and the thread that it stands in."""
    container = payload.get("container")
    found = container if isinstance(container, dict) else {}
    thread = found.get("thread_ts")
    return str(found.get("channel_id") or ""), thread if isinstance(thread, str) else None
