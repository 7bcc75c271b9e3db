"""Which LLM provider to use right now, and the next one when a request fails: reads the routing file of Hotspare.

In: the path of that file. Out: the target of each route, the last good one where the file is missing or broken.
"""

from hotspare_client.attempts import AsyncAttempt, Attempt, Attempts
from hotspare_client.reader import Routing
from hotspare_client.reporter import Reporter
from hotspare_client.request import Asked, DeadlineError, NoTargetError
from hotspare_client.status import Status
from hotspare_client.stream_watch import StreamCutError, StreamFailedError, StreamSilentError
from hotspare_client.target import Limits, MissingKeyError, Target

__all__ = [
    "Asked",
    "AsyncAttempt",
    "Attempt",
    "Attempts",
    "DeadlineError",
    "Limits",
    "MissingKeyError",
    "NoTargetError",
    "Reporter",
    "Routing",
    "Status",
    "StreamCutError",
    "StreamFailedError",
    "StreamSilentError",
    "Target",
]
