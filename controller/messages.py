"""What people are told about an incident: one message in Slack's blocks, for whoever is woken at 3 a.m. (pure)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.incident import Affected, Happening, Incident, IncidentKind, RouteNow
from monitor.health import Health
from monitor.words import one_line, span

Block = dict[str, Any]

# Slack refuses a header past 150 characters, a section past 3,000 and, by what users measured, all blocks of a message
# past about 10,000 together; these keep the largest incident well under 8,000.
_HEADER_CHARS = 150
_LINE_CHARS = 280
_NAME_CHARS = 80
_MAX_ROUTES = 6
_MAX_FIXES = 4
_FIRST_LINES = 6
_LAST_LINES = 8

_NOTICE_CHARS = 2_500
#: The first part that the kind of a notice contains says which symbol stands before it.
_NOTICES = (
    ("failing", "⚠️"),
    ("attention", "⚠️"),
    ("network", "📡"),
    ("ignored", "⚠️"),
    ("held", "⚠️"),
    ("expired", "⌛"),
    ("un", "▶️"),
    ("resumed", "▶️"),
    ("", "✋"),
)

_OVER = frozenset({Health.UP, Health.UNKNOWN})
_WORST_FIRST = (Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED, Health.DEGRADED, Health.RECOVERING)
_ORDER = (*_WORST_FIRST, *(health for health in Health if health not in _WORST_FIRST))

# Slack would read these as bold, strike-through and code. There is no escape for them, so they give way to lookalikes.
_LOOKALIKES = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
_ITALIC = re.compile(r"(?<!\w)_|_(?!\w)")

_ACT_NOW = (
    "A person must act now: users are on a failing target and no candidate is healthy. "
    "Hotspare moves them as soon as one is."
)
_UNPUBLISHED = (
    "A person must act now: the route should move, but the routing file cannot be written, so users stay where they "
    "are. Hotspare's log says why; it tries again all the time."
)
_FIX_NOW = "A person must fix this now: users are on it."
_FIX_LATER = "A person must fix this, but it can wait: no user is on it. Until then its routes have one candidate less."
_AFTER_THE_FIX = (
    "A changed variable or configuration takes effect when Hotspare is restarted; the rest it notices by itself."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, as `chat.postMessage` takes it."""

    text: str
    """For notifications and for clients that show no blocks."""
    blocks: tuple[Block, ...]


def incident_message(incident: Incident, *, now: datetime) -> Message:
    """What broke, how we know, what was done about it, what users are on, and whether a person must act.

    It is inside Slack's limits whatever the incident holds, and nothing from outside (names, provider text) can
    mention anybody, link anywhere or change how it looks. `now` says as of when it is true.
    """
    headline = _headline(incident)
    call = _call(incident)
    users = _users(incident)
    fixes = [a.reason for a in _to_fix(incident)[:_MAX_FIXES]]
    story = [line for line in incident.timeline if line.text not in fixes]
    blocks = [
        _header(headline),
        _section([f"*{call}*", *users]),
        *([_section(["*To fix*", *(f"• {_safe(text)}" for text in fixes), _AFTER_THE_FIX])] if fixes else []),
        *_story(story, incident.opened_at),
        _footer(incident, now),
    ]
    text = _safe(headline, 200) + "\n" + "\n".join([call, *users[:1]])
    return Message(text=text, blocks=tuple(blocks))


def notice_message(kind: str, subject: str, text: str, *, at: datetime) -> Message:
    """Something that happened once, `at` that time: an operator's hand, say. Safe in the same way, never edited."""
    symbol = next((symbol for part, symbol in _NOTICES if part in kind), "🔔")
    headline = f"{symbol} {kind.replace('_', ' ').capitalize()}: {one_line(subject, _NAME_CHARS)}"
    footer = {"type": "context", "elements": [_mrkdwn(f"{at:%Y-%m-%d %H:%M:%S} UTC. This message is final.")]}
    said = _safe(text, _NOTICE_CHARS)
    return Message(text=f"{_safe(headline, 200)}\n{_safe(text)}", blocks=(_header(headline), _section([said]), footer))


def _headline(incident: Incident) -> str:
    what = _what(incident)
    if incident.resolved_at:
        after = span((incident.resolved_at - incident.opened_at).total_seconds())
        return f"✅ Resolved after {after}: {what}"
    if any(route.unpublished for route in incident.routes):
        return f"🚨 Act now: {what} and the routing file cannot be written"
    if urgent := [route for route in incident.routes if _is_urgent(route, incident)]:
        who = f"route {_name(urgent[0].route)} has" if len(urgent) == 1 else f"{len(urgent)} routes have"
        return f"🚨 Act now: {what} and {who} nowhere to go"
    if _to_fix(incident):
        return f"🔧 To fix: {what}"
    return f"{_symbol(incident)} {what}"


def _symbol(incident: Incident) -> str:
    health = {a.health for a in incident.affected} - _OVER
    if health <= {Health.RECOVERING}:
        return "🟡"
    return "🔴" if Health.DOWN in health else "🟠"


def _what(incident: Incident) -> str:
    """`openai/gpt-6-luna is down`, or `openai: 3 models down, 1 recovering`."""
    troubled = [a for a in incident.affected if a.health not in _OVER] or list(incident.affected)
    if len(troubled) == 1:
        return f"{_name(troubled[0].target)} is {_word(troubled[0].health)}"
    counts = Counter(a.health for a in troubled)
    worst, *others = [f"{counts[h]} {{}}{_word(h)}" for h in _ORDER if counts[h]]
    models = "model " if worst.startswith("1 ") else "models "
    return f"{_name(incident.provider)}: " + ", ".join([worst.format(models), *(other.format("") for other in others)])


def _word(health: Health) -> str:
    return {Health.UP: "up again", Health.UNKNOWN: "no longer configured"}.get(health, str(health))


def _call(incident: Incident) -> str:
    """Whether a person must act, first thing."""
    if incident.resolved_at:
        return _call_after(incident.routes)
    urgent = _UNPUBLISHED if any(route.unpublished for route in incident.routes) else _ACT_NOW
    if urgent is _UNPUBLISHED or any(_is_urgent(route, incident) for route in incident.routes):
        return urgent
    exposed = {_trouble(route, incident) for route in incident.routes} - {None, Health.RECOVERING}
    if _to_fix(incident):
        return _FIX_NOW if exposed else _FIX_LATER
    return _call_exposed(exposed, incident.routes)


def _call_after(routes: Sequence[RouteNow]) -> str:
    if any(route.waiting for route in routes):
        return "It is over. Failback is manual: routes stay until a person brings them back."
    stuck = any(route.stuck for route in routes)
    return "This is over, but another incident is open." if stuck else "It is over. Nobody has to act."


def _call_exposed(exposed: Set[Health | None], routes: Sequence[RouteNow]) -> str:
    if exposed and any(route.would for route in routes):
        return "A person should look: this is a dry run, and Hotspare moves nobody."
    if exposed - {Health.DEGRADED}:
        return "A person should look: users are still on a failing target."
    if exposed:
        return "Users are still on it. Nobody has to act yet."
    return "Nobody has to act now." if routes else "No route uses it. Nobody has to act now."


def _trouble(route: RouteNow, incident: Incident) -> Health | None:
    """The health of the route's target as far as this incident knows of trouble with it."""
    troubled = {a.target: a.health for a in incident.affected if a.health not in _OVER}
    return troubled.get(route.target)


def _is_urgent(route: RouteNow, incident: Incident) -> bool:
    return route.stuck and not incident.resolved_at and _trouble(route, incident) is not Health.RECOVERING


def _users(incident: Incident) -> list[str]:
    """What the users of each touched route are on, those in trouble first."""
    routes = sorted(incident.routes, key=lambda r: (not r.stuck, _trouble(r, incident) is None))
    lines = [_user_line(route, incident) for route in routes[:_MAX_ROUTES]]
    if len(routes) > _MAX_ROUTES:
        lines.append(f"… and {len(routes) - _MAX_ROUTES} more routes")
    return lines


def _user_line(route: RouteNow, incident: Incident) -> str:
    trouble = _trouble(route, incident)
    line = f"Users of `{_safe(route.route, _NAME_CHARS)}` are on `{_safe(route.target, _NAME_CHARS)}`"
    if trouble:
        line += f", which is {trouble}"
    if route.stuck and not incident.resolved_at:
        line += "; no other candidate is healthy"
    for target, percent in route.weights:
        if target != route.target:
            line += f"; {percent:g} % of them are on `{_safe(target, _NAME_CHARS)}` again"
    if route.would:
        line += f"; this is a dry run, or they would be on `{_safe(route.would, _NAME_CHARS)}`"
    return line + "."


def _to_fix(incident: Incident) -> list[Affected]:
    """What only a person can put right, and nobody has yet."""
    if incident.kind is not IncidentKind.CONFIGURATION:
        return []
    return [a for a in incident.affected if a.health is Health.MISCONFIGURED]


def _story(lines: Sequence[Happening], opened_at: datetime) -> list[Block]:
    """The timeline; of a long one the beginning and the end, each in a section of its own."""
    if not lines:
        return []
    told = [f"`{_clock(line.at, opened_at)}` {_safe(line.text)}" for line in lines]
    title = "*What happened* (UTC)"
    left_out = len(told) - _FIRST_LINES - _LAST_LINES
    if left_out <= 0:
        return [
            _section([title, *told[:_FIRST_LINES]]),
            *([_section(told[_FIRST_LINES:])] if told[_FIRST_LINES:] else []),
        ]
    gap = f"… {left_out} more lines …"
    return [_section([title, *told[:_FIRST_LINES], gap]), _section(told[-_LAST_LINES:])]


def _clock(at: datetime, opened_at: datetime) -> str:
    return f"{at:%H:%M:%S}" if at.date() == opened_at.date() else f"{at:%d %b %H:%M:%S}"


def _footer(incident: Incident, now: datetime) -> Block:
    opened = f"{incident.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    # Slack shows the reader's own time here; where it cannot, the words after the bar.
    local = f"<!date^{int(incident.opened_at.timestamp())}^{{date_short_pretty}} {{time}} your time|UTC>"
    number = f"Incident {incident.id}" if incident.id else "Incident"
    state = "This message is final." if incident.resolved_at else "This message is kept up to date."
    text = f"{number} · opened {opened} ({local}) · as of {now:%H:%M:%S} UTC. {state}"
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": one_line(text, _HEADER_CHARS), "emoji": False}}


def _section(lines: Iterable[str]) -> Block:
    return {"type": "section", "text": _mrkdwn("\n".join(lines))}


def _mrkdwn(text: str) -> Block:
    # verbatim: addresses, #channels and @names in the text stay text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _name(text: str) -> str:
    return one_line(text, _NAME_CHARS)


def _safe(text: str, limit: int = _LINE_CHARS) -> str:
    """Text from outside for a mrkdwn object: clean, disarmed, escaped, and at most `limit` characters after that."""
    escaped = [_escape(c) for c in _ITALIC.sub("ˍ", one_line(text, limit).translate(_LOOKALIKES))]
    if sum(map(len, escaped)) <= limit:
        return "".join(escaped)
    while sum(map(len, escaped)) >= limit:
        escaped.pop()
    return "".join(escaped) + "…"


def _escape(character: str) -> str:
    return {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(character, character)
