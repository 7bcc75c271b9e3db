"""The section `owner` of a provider or a route, and what Slack's channels and mentions look like."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from monitor.config.addresses import link_problem
from monitor.config.section import Key, Section
from monitor.config.values import items, text
from probes.target import Owner

CHANNEL: Final = text('a channel in quotes, such as "#llm-status"')
_PEOPLE: Final = "<@U012AB3CD> for a person, <!subteam^S012AB3CD> for a group, or here, channel or everyone"
_MENTION: Final = text(
    _PEOPLE,
    pattern=r"<@[UW][A-Z0-9]{5,20}>|<!subteam\^S[A-Z0-9]{5,20}>|here|channel|everyone",
    wrong=f"is not a mention; write {_PEOPLE}",
).then(lambda word: word if "<" in word else f"<!{word}>")
MENTIONS: Final = items(_MENTION, 'a list such as ["<@U012AB3CD>", here]')
# Unlike other addresses it is shown to people, as a link.
_RUNBOOK: Final = "an http(s) address such as https://wiki.example/runbook"
_PATTERN: Final = r"https?://[^\s<>|\"'`\x00-\x1f]{1,500}"


def _runbook_problem(value: str) -> str | None:
    return link_problem(value) if re.fullmatch(_PATTERN, value) else f"is not {_RUNBOOK}"


_PAGE: Final = text(_RUNBOOK, _runbook_problem, pattern=_PATTERN, shown=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerSection(Section):
    """Who looks after it: notified of its incidents too, besides those under `alerts`."""

    empty_is_absent: ClassVar = True

    channel: Annotated[str | None, CHANNEL, Key(default_text="none")] = None
    """A channel of Slack, in quotes, where its incidents are reported as well; the bot must be in it. Change it when
    another team looks after it."""
    mention: Annotated[tuple[str, ...], MENTIONS, Key(default_text="none")] = ()
    """Whom critical ones call: there, or without a channel in the usual one; written as `alerts.slack.mention`."""
    runbook: Annotated[str | None, _PAGE, Key(default_text="none")] = None
    """The address of what to do; it stands beside whether to act, in every channel. Change it when you have one."""

    @property
    def owner(self) -> Owner:
        """Its value."""
        return Owner(channel=self.channel, mention=self.mention, runbook=self.runbook)
