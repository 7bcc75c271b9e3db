"""What stands above every page: logo, title, links and the notice. Pure but for the logo's file."""

import base64
import mimetypes
from pathlib import Path
from typing import Final

from monitor.config.page_settings import PageSettings
from ui.components import text

_LARGEST_LOGO: Final = 200_000


def logo_address(path: Path | None) -> str | None:
    """The picture as an address that needs no request; None where there is none, or it is no file of at most 200 kB."""
    try:
        if path is None or path.stat().st_size > _LARGEST_LOGO:
            return None
        kind, _ = mimetypes.guess_type(path.name)
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}" if kind else None
    except OSError:
        return None


def masthead(page: PageSettings, logo: str | None) -> str:
    """The name of the page with its links, and the notice."""
    picture = f'<img class="hs-logo" src="{text(logo)}" alt="">' if logo else ""
    links = "".join(
        f'<a href="{text(address)}" rel="noopener">{text(name)}</a>' for name, address in page.links.items()
    )
    more = f'<nav class="hs-links" aria-label="Links">{links}</nav>' if links else ""
    head = f'<div class="hs-masthead">{picture}<span class="hs-name">{text(page.title)}</span>{more}</div>'
    notice = f'<p class="hs-notice" role="note">{text(page.notice)}</p>' if page.notice else ""
    return head + notice
