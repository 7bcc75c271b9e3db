"""Which LLM provider to use right now: reads the routing file that Hotspare publishes."""

from hotspare_client.reader import Routing, Status
from hotspare_client.table import Target

__all__ = ["Routing", "Status", "Target"]
