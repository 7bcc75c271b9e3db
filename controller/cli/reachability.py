"""What `hotspare check` says of the channels of alerts: whether each can be reached, without telling anybody."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from controller.alerts.channel import AlertChannel, ChannelContext, DeliveryError
from controller.alerts.registry import channels_of
from monitor.config.settings import Settings
from probes.transport.http_transport import tls_context

_NOT_TRIED = "not tried; `hotspare alerts test` sends it a message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachability:
    """Whether a channel can be reached."""

    sink: str
    reached: str | None = None
    """What shows that it can; None where it cannot, or where only a message could show it."""
    error: str | None = None
    """Why it cannot, and what to do."""


async def reach_channels(settings: Settings) -> list[Reachability]:
    """Ask all at once; each is bounded in time."""
    tls = tls_context(settings.network.ca_bundle)
    channels = channels_of(ChannelContext(settings=settings, tls=tls, in_thread=asyncio.to_thread))
    return list(await asyncio.gather(*map(_reach, channels)))


def print_reachability(channels: Sequence[Reachability], console: Console) -> None:
    """A line for each."""
    for channel in channels:
        said = channel.error or channel.reached or _NOT_TRIED
        style = "bold red" if channel.error else "green" if channel.reached else "dim"
        console.print(Text.assemble((f"alerts, {channel.sink}: ", ""), (said, style)))


async def _reach(channel: AlertChannel) -> Reachability:
    try:
        return Reachability(sink=channel.name, reached=await channel.reach())
    except DeliveryError as error:
        return Reachability(sink=channel.name, error=str(error))
