"""Renders Slack messages (blocks) as an HTML page that looks like Slack (pure)."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from controller.alerts.slack.blocks import Block, Message

#: The time zone in which the pictures show times.
READER = ZoneInfo("Europe/Berlin")

_DATE = re.compile(r"<!date\^(\d+)\^[^|>]*\|[^>]*>")
_MENTION = re.compile(r"<!(here|channel|everyone)>|<!subteam\^\w+>|<@\w+>")
_CODE = re.compile(r"`([^`\n]+)`")
_BOLD = re.compile(r"(?<!\w)\*([^*\n]+)\*(?!\w)")
_ITALIC = re.compile(r"(?<!\w)_([^_\n]+)_(?!\w)")

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0; padding: 18px 22px 20px; width: 760px; background: #fff; color: #1d1c1d;
       font: 15px/1.46 Lato, "DejaVu Sans", Arial, sans-serif, "Noto Color Emoji"; }
.post { display: grid; grid-template-columns: 36px 1fr; gap: 0 10px; }
.post + .post { margin-top: 14px; }
.face { width: 36px; height: 36px; border-radius: 6px; background: #234; color: #fff; font: 700 19px/36px Arial;
        text-align: center; }
.who b { margin-right: 6px; } .badge { background: #e3e3e4; color: #616061; font-size: 10px; padding: 1px 4px;
         border-radius: 2px; margin-right: 6px; } .at, .edited { color: #616061; font-size: 12px; }
h3 { margin: 4px 0 6px; font-size: 18px; line-height: 1.3; } p { margin: 0 0 8px; overflow-wrap: anywhere; }
code { background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px; color: #c01343; padding: 1px 3px;
       font: 12px "Liberation Mono", monospace; }
.mention { background: #fff1d1; color: #1264a3; border-radius: 3px; padding: 0 2px; }
.small { color: #616061; font-size: 12px; margin-top: 2px; }
.button { display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: 3px 10px; margin: 0 8px 8px 0;
          font-weight: 700; font-size: 13px; } .primary { background: #007a5a; border-color: #007a5a; color: #fff; }
.thread { margin: 16px 0 0 46px; padding-left: 14px; border-left: 3px solid #ddd; }
.count { color: #1264a3; font-size: 13px; font-weight: 700; margin-bottom: 10px; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A message with its thread."""

    message: Message
    at: datetime
    edited: bool = False
    replies: tuple["Post", ...] = ()
    broadcast: bool = False


def page(posts: Iterable[Post]) -> str:
    """The page as one HTML document without external files."""
    shown = "".join(_post(post) for post in posts)
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><body>{shown}</body>"


def _post(post: Post) -> str:
    local = post.at.astimezone(READER)
    told = " · also sent to the channel" if post.broadcast else ""
    who = f"<b>Hotspare</b><span class=badge>APP</span><span class=at>{local:%H:%M}{told}</span>"
    blocks = "".join(_block(block) for block in post.message.blocks)
    edited = " <span class=edited>(edited)</span>" if post.edited else ""
    count = f"<div class=count>{_counted(len(post.replies))}</div>" if post.replies else ""
    below = f"<div class=thread>{count}{''.join(map(_post, post.replies))}</div>" if post.replies else ""
    body = f"<div><div class=who>{who}</div>{blocks}{edited}</div>"
    return f"<div class=post><div class=face>H</div>{body}</div>{below}"


def _counted(replies: int) -> str:
    return "1 reply" if replies == 1 else f"{replies} replies"


def _block(block: Block) -> str:
    match block["type"]:
        case "header":
            return f"<h3>{html.escape(block['text']['text'])}</h3>"
        case "section":
            return f"<p>{markup(block['text']['text'])}</p>"
        case "context":
            return "".join(f"<div class=small>{markup(one['text'])}</div>" for one in block["elements"])
        case _:
            return "".join(_button(one) for one in block["elements"])


def _button(button: Block) -> str:
    kind = "button primary" if button.get("style") == "primary" else "button"
    return f'<span class="{kind}">{html.escape(button["text"]["text"])}</span>'


def markup(text: str) -> str:
    """Slack's markup, in which `&`, `<` and `>` are escaped already, as HTML."""
    text = _MENTION.sub(_mention, _DATE.sub(_date, text))
    text = _CODE.sub(r"<code>\1</code>", text)
    text = _ITALIC.sub(r"<i>\1</i>", _BOLD.sub(r"<b>\1</b>", text))
    return text.replace("\n", "<br>")


def _date(found: re.Match[str]) -> str:
    local = datetime.fromtimestamp(int(found[1]), UTC).astimezone(READER)
    return f"{local:%b %d, %Y} at {local:%H:%M} your time"


def _mention(found: re.Match[str]) -> str:
    name = found[1] or ("llm-oncall" if "subteam" in found[0] else "ana")
    return f"<span class=mention>@{name}</span>"
