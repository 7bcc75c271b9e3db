"""Status pages of every kind, well and not, as their platforms write them: what several tests read."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Document = dict[str, Any]


def statuspage(component: str = "operational", *incidents: Document, indicator: str = "none") -> Document:
    """Atlassian's summary of a vendor with an API and a chat application."""
    return {
        "page": {"id": "x", "name": "Claude", "url": "https://status.claude.com", "updated_at": "2026-11-21T17:00:00Z"},
        "status": {"indicator": indicator, "description": "All Systems Operational"},
        "components": [
            {"id": "g", "name": "Everything", "status": "operational", "group": True},
            {"id": "k8w3r06qmzrp", "name": "Claude API (api.anthropic.com)", "status": component, "group": False},
            {"id": "web", "name": "claude.ai", "status": "operational", "group": False},
        ],
        "incidents": list(incidents),
        "scheduled_maintenances": [],
    }


def atlassian_incident(
    name: str = "Elevated errors", *components: str, status: str = "investigating", impact: str = "major"
) -> Document:
    """One incident that began at 14:02."""
    return {
        "id": "i",
        "name": name,
        "status": status,
        "impact": impact,
        "created_at": "2026-11-21T14:05:00.000Z",
        "started_at": "2026-11-21T14:02:00.000Z",
        "resolved_at": None,
        "components": [{"name": one, "status": "operational"} for one in components],
    }


def incident_io(affected: str | None = None, *incidents: Document, name: str = "Chat Completions") -> Document:
    """The page of a vendor with a group of APIs, and one component of it affected or none."""
    return {
        "summary": {
            "id": "s",
            "name": "OpenAI",
            "public_url": "https://status.openai.com",
            "components": [{"id": "chat", "name": name}, {"id": "sora", "name": "Sora"}],
            "affected_components": [{"component_id": "chat", "status": affected}] if affected else [],
            "ongoing_incidents": list(incidents),
            "scheduled_maintenances": [],
            "structure": {
                "items": [
                    {"group": {"id": "g", "name": "APIs", "components": [{"component_id": "chat", "name": name}]}},
                    {"group": {"id": "h", "name": "Video", "components": [{"component_id": "sora", "name": "Sora"}]}},
                ]
            },
        }
    }


def incident_io_incident(name: str = "Elevated error rate", component: str = "chat", **more: Any) -> Document:
    """One incident that began at 14:02 and hit this component."""
    return {
        "id": "01K",
        "name": name,
        "status": "investigating",
        "type": "incident",
        "published_at": "2026-11-21T14:10:00Z",
        "affected_components": [],
        "component_impacts": [
            {
                "component_id": component,
                "start_at": "2026-11-21T14:02:00Z",
                "end_at": None,
                "status": "partial_outage",
            }
        ],
        **more,
    }


def google(*, end: str | None = None, product: str = "Vertex Gemini API", place: str = "us-central1") -> list[Document]:
    """Google Cloud with one old incident and one that may have an end."""
    old = {
        "id": "old",
        "number": "1",
        "begin": "2026-10-01T00:00:00+00:00",
        "end": "2026-10-01T01:00:00+00:00",
        "external_desc": "Old news",
        "status_impact": "SERVICE_OUTAGE",
        "affected_products": [{"title": product, "id": "Z0FZJAMvEB4j3NbCJs6B"}],
    }
    new = {
        **old,
        "id": "new",
        "begin": "2026-11-21T14:02:00+00:00",
        "external_desc": "Vertex Gemini API is failing in us-central1",
        "status_impact": "SERVICE_DISRUPTION",
        "affected_products": [{"title": product, "id": "p"}],
        "most_recent_update": {"status": "SERVICE_DISRUPTION"},
        "currently_affected_locations": [{"title": "Iowa", "id": place}],
    }
    return [{**new, "end": end} if end else {key: value for key, value in new.items() if key != "end"}, old]


def aws(status: str = "3", service: str = "bedrock-us-east-1", **more: Any) -> bytes:
    """AWS's current events: UTF-16 with a byte order mark."""
    event = {
        "date": "1795269720",
        "arn": "arn",
        "region_name": "N. Virginia",
        "status": status,
        "service": service,
        "service_name": "Amazon Bedrock",
        "summary": "Increased Error Rates",
        "event_log": [],
        "impacted_services": {},
        **more,
    }
    return json.dumps([event]).encode("utf-16")


def better_stack(api: str = "operational", aggregate: str = "operational", *reports: Document) -> Document:
    """A vendor with an API and a documentation site."""
    resources = [("API", api), ("Docs", "operational"), ("Playground", "not_monitored")]
    return {
        "data": {"id": "1", "type": "status_page", "attributes": {"aggregate_state": aggregate}},
        "included": [
            *(
                {"type": "status_page_resource", "attributes": {"public_name": name, "status": status}}
                for name, status in resources
            ),
            *({"type": "status_report", "attributes": report} for report in reports),
        ],
    }


def datadog(chat: str = "operational", *incidents: Document) -> Document:
    """A gateway with a group of APIs and a web site."""
    leaf = {"type": "Component", "position": 0}
    return {
        "id": "p",
        "name": "OpenRouter",
        "pageUrl": "https://openrouter.example",
        "components": [
            {
                "name": "API - Gateway",
                "type": "ComponentGroup",
                "components": [
                    {"name": "Chat (/api/v1/chat/completions)", "status": chat, **leaf},
                    {"name": "Video (/api/v1/videos)", "status": "operational", **leaf},
                ],
            },
            {"name": "Web", "status": "operational", **leaf},
        ],
        "incidents": list(incidents),
        "maintenances": None,
    }


def flashcat(*changes: Document) -> Document:
    """A vendor with an API and a chat application."""
    components = [{"component_id": "a", "name": "API Service"}, {"component_id": "b", "name": "Web Chat"}]
    return {"data": {"page": {"page_id": 1, "components": components}, "active_changes": list(changes)}}


def rss(*items: str) -> bytes:
    """A feed with these items."""
    head = '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>Status</title>'
    return (head + "".join(f"<item>{item}</item>" for item in items) + "</channel></rss>").encode()


def body(document: Any) -> bytes:
    """The document as a server sends it."""
    return document if isinstance(document, bytes) else json.dumps(document).encode()


class StatusServer:
    """Serves one page on loopback, with an ETag, and remembers how it was asked."""

    def __init__(self, url: str, document: Any) -> None:
        self.url = url
        self.document = document
        self.etags: list[str | None] = []
        """The `If-None-Match` of each request."""


@contextmanager
def served(document: Any) -> Iterator[StatusServer]:
    """A page that can be read, and changed, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """The page, or that it has not changed."""
            content = body(page.document)
            etag = f'"{hash(content)}"'
            page.etags.append(self.headers["If-None-Match"])
            self.send_response(304 if page.etags[-1] == etag else 200)
            self.send_header("ETag", etag)
            self.end_headers()
            if page.etags[-1] != etag:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    page = StatusServer(f"http://127.0.0.1:{server.server_port}/summary.json", document)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield page
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
