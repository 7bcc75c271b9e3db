"""Which LLM provider to use right now: reads the routing file that Hotspare publishes.

In: the path of that file. Out: the target of each route, the last good one where the file is missing or broken.
"""

from hotspare_client.reader import Routing, Status
from hotspare_client.table import Target

__all__ = ["Routing", "Status", "Target"]
