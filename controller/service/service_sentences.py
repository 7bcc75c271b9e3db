"""What a service says of itself: what it watches, and that it cannot write."""

from monitor.config.database_url import shown_url
from monitor.config.settings import Settings
from monitor.formatting import plural
from monitor.storage.buffered_store import TOLD_AFTER_S
from monitor.storage.writer_database import WriterDatabase


def watching(settings: Settings) -> str:
    """How much it watches, and where it writes."""
    slack = f"Slack {settings.alerts.slack.channel or 'by webhook'}" if settings.alerts.slack else "no Slack"
    counts = f"{plural(len(settings.targets), 'target')}, {plural(len(settings.routes), 'route')}"
    dry = "dry run, the routes stay as configured; " if settings.controller.dry_run else ""
    return f"{dry}watching {counts}; routing file {settings.routing_file}, {shown_url(settings.database)}, {slack}"


def cannot_write(settings: Settings, database: WriterDatabase, stuck: str | None) -> str | None:
    """That the database cannot be written, or that a disk holds up everything, once it has lasted for a while."""
    if stuck:
        disk = f"see whether the disk of {settings.routing_file} answers"
        return f"I cannot write, and move no route: {stuck}; {disk}"
    if database.unusable_s() < TOLD_AFTER_S:
        return None
    if database.freezes:
        return f"I cannot write: every route stays where it is; I still watch. {database.unusable}"
    return f"I cannot write; I still watch and route. {database.unusable}"
