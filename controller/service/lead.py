"""What a service is given that leads other machines: the lease, and the file that this machine publishes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from controller.routing.routing_file import RoutingFile
from monitor.storage.column_conversions import storable, to_ms
from monitor.storage.lease_fence import LeaseFence
from monitor.storage.shared_table_store import SharedTable, SharedTableStore


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Lent by `controller.fleet.node` for as long as the service leads."""

    fence: LeaseFence
    file: RoutingFile
    """Its folder is locked already."""

    @property
    def epoch(self) -> int:
        """Of the lease: of every decision, table and alert."""
        return self.fence.lease.epoch

    def share_on(self, engine: Engine) -> Callable[[Mapping[str, Any]], None]:
        """What stores each published table for the machines that do not lead; it raises DatabaseError."""
        store = SharedTableStore(engine)

        def share(table: Mapping[str, Any]) -> None:
            at = datetime.fromisoformat(table["written_at"])
            content = storable(json.dumps(table, ensure_ascii=False))
            store.save("", SharedTable(self.epoch, table["generation"], to_ms(at), content))

        return share
