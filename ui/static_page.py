"""The status as one HTML file for a web server or a CDN: no script, no connection to this machine. Pure.

It may be public: it holds no error texts, costs, hosts or keys, only names, health, shares and times.
"""

from collections.abc import Sequence
from datetime import datetime

from controller.history.queries import History
from controller.incidents.incident import Incident
from controller.status.headline import RouteView
from controller.status.overview import Overview, TargetView
from controller.status.public_view import public_incident, public_overview
from monitor.config.page_settings import PageSettings
from monitor.liveness import Liveness
from ui import history, incidents, sections
from ui.components import instant, pill, section, target, text
from ui.masthead import masthead


def render(
    everything: Overview,
    past: History,
    recent: Sequence[Incident],
    *,
    style: str,
    page: PageSettings,
    logo: str | None = None,
) -> str:
    """The whole file; `style` is the style sheet of the page, `logo` the address of a picture that needs no request."""
    overview, incidents_shown = public_overview(everything), [*map(public_incident, recent)]
    beat = overview.service.beat
    written = f"{overview.now:%Y-%m-%d %H:%M:%S} UTC"
    stale = overview.service.liveness is not Liveness.RUNNING
    as_of = f"as of {beat.beat_at:%Y-%m-%d %H:%M:%S} UTC, when the monitor last wrote" if stale and beat else written
    body = (
        f'{masthead(page, logo)}<header class="hs-top"><span class="hs-clock">{as_of}</span></header>'
        f"{sections.headline(overview)}{_routes(overview.routes, overview.now)}{_targets(overview.targets)}"
        f"{history.routes(past)}{history.targets(past)}"
        f"{incidents.incident_list(incidents_shown, overview.now, linked=False)}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta http-equiv="refresh" content="60">'
        f"<title>{text(sections.tab_title(overview, page.title))}</title>"
        f"<style>{_BARE}{style}</style></head>"
        f'<body class="stApp"><main class="stMainBlockContainer stHtml">{body}</main></body></html>\n'
    )


#: No script, and nothing is asked of any machine.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
#: What Streamlit gives the live page.
_BARE = (
    ":root { color-scheme: light dark; } body { margin: 0; background: light-dark(#f7f8fa, #0f1318);"
    " font-family: system-ui, sans-serif; } main { margin: 0 auto; }\n"
)


def _routes(routes: Sequence[RouteView], now: datetime) -> str:
    items = "".join(
        f'<li><span class="hs-vendor">{text(route.name)}</span><span class="hs-they">→ {target(route.target)}</span>'
        + (f'<span class="hs-since">since {instant(route.since, now)} UTC</span>' if route.since else "")
        + "</li>"
        for route in routes
    )
    return section("Now", "where applications are sent", f'<ul class="hs-vendors">{items}</ul>')


def _targets(targets: Sequence[TargetView]) -> str:
    items = "".join(
        f'<li><span class="hs-they">{target(view.state.target)}</span>{pill(view.state.health)}</li>'
        for view in targets
    )
    return section("Targets now", "what the probes see", f'<ul class="hs-vendors">{items}</ul>')
