"""What the service builds from its configuration: anew for each that comes into force while it runs."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from controller.alerts.channel import ChannelContext, RunInThread
from controller.alerts.registry import AlertingTasks
from controller.alerts.slack.buttons.service import ButtonService
from controller.history.store import RouteHistory
from controller.service.background import BackgroundRecorder
from controller.service.keyed_prober import KeyedProber
from controller.service.lead import Lead
from controller.service.static_page_writer import StaticPageWriter
from controller.service.traffic_intake import TrafficIntake
from monitor.config.settings import Settings
from monitor.status_pages.poller import StatusPagePoller, status_pages
from monitor.storage.traffic_store import TrafficStore
from probes.prober import Prober
from probes.target import ProviderKey
from probes.transport.fetch import ask_endpoints, fetch_page
from probes.transport.http_transport import tls_context

_NEUTRAL_S: Final = 3.0
_STATUS_PAGE_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class PartsContext:
    """What these parts need that outlives a configuration."""

    engine: Engine
    recorder: BackgroundRecorder
    in_slack: RunInThread
    trouble: Callable[[], str | None]
    cannot_write: Callable[[], str | None]
    clock: Callable[[], datetime]
    use_key: Callable[[str, ProviderKey], None]
    """Points applications at this key of a provider."""
    lead: Lead | None = None


@dataclass(kw_only=True)
class ConfiguredParts:
    """The parts of one configuration. Making them opens, reads and sends nothing."""

    settings: Settings
    prober: KeyedProber
    ask_endpoints: Callable[[], Awaitable[frozenset[str]]]
    """The neutral endpoints that answer right now."""
    buttons: ButtonService
    channels: AlertingTasks
    status_pages: StatusPagePoller
    traffic: TrafficIntake
    static_page: StaticPageWriter | None
    routes: RouteHistory

    def tasks(self, stop: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
        """What is to run as long as the configuration is in force; each ends when it is cancelled, or by `stop`."""
        yield self.status_pages.watch()
        yield self.buttons.run()
        yield from self.channels.tasks(stop)
        if self.static_page:
            yield self.static_page.run()


def build_parts(settings: Settings, context: PartsContext, traffic: TrafficIntake | None = None) -> ConfiguredParts:
    """The parts of these settings; `traffic` is the receiver that goes on where it listens as these settings say."""
    tls = tls_context(settings.network.ca_bundle)
    in_database = context.recorder.database.run
    buttons = ButtonService(settings, context.engine, in_database=in_database, clock=context.clock)
    return ConfiguredParts(
        settings=settings,
        prober=keyed_prober(settings, context.recorder, context.use_key),
        ask_endpoints=endpoints_asked(settings, tls),
        buttons=buttons,
        channels=AlertingTasks(
            ChannelContext(
                settings=settings,
                tls=tls,
                in_thread=context.in_slack,
                button_routes=buttons.routes,
                epoch=context.lead.epoch if context.lead else 0,
                may_send=context.lead.fence.is_fresh if context.lead else lambda: True,
            ),
            context.engine,
            in_database=in_database,
            trouble=context.trouble,
            cannot_write=context.cannot_write,
            clock=context.clock,
        ),
        status_pages=_status_pages(settings, context, tls),
        traffic=traffic
        or TrafficIntake(
            settings=settings,
            recorder=context.recorder,
            store=TrafficStore(context.engine),
            region=context.lead.file.region if context.lead else "",
        ),
        static_page=StaticPageWriter(config=settings.path, folder=settings.ui.static, recorder=context.recorder)
        if settings.ui.static
        else None,
        routes=RouteHistory(context.engine, settings),
    )


def keyed_prober(
    settings: Settings, recorder: BackgroundRecorder, use_key: Callable[[str, ProviderKey], None]
) -> KeyedProber:
    """What probes with the keys that work; `use_key` is told which."""
    network = settings.network
    return KeyedProber(
        ask=Prober(proxy=network.proxy, ca_bundle=network.ca_bundle, clock=recorder.clock).probe,
        providers=settings.providers,
        clock=recorder.clock,
        use_key=use_key,
        report=lambda kind, provider, text: recorder.event(kind, provider, text, notify=True),
    )


def endpoints_asked(settings: Settings, tls: ssl.SSLContext) -> Callable[[], Awaitable[frozenset[str]]]:
    """What asks the neutral endpoints, and returns those that answer."""
    endpoints, proxy = settings.connectivity.endpoints, settings.network.proxy
    return lambda: ask_endpoints(endpoints, timeout_s=_NEUTRAL_S, tls=tls, proxy=proxy)


def _status_pages(settings: Settings, context: PartsContext, tls: ssl.SSLContext) -> StatusPagePoller:
    return StatusPagePoller(
        status_pages(settings.providers),
        lambda url, etag, modified: fetch_page(
            url, etag=etag, modified=modified, timeout_s=_STATUS_PAGE_S, tls=tls, proxy=settings.network.proxy
        ),
        keep=context.recorder.vendor_report,
        clock=context.clock,
    )
