"""The bytes of reports: those that the JavaScript client writes, too, and that Hotspare takes."""

from datetime import UTC, datetime

import pytest
from hotspare_client.datagram import MOST_BYTES, Sender, datagrams, rows

from monitor.traffic.datagram import decode
from tests.support.shared_cases import Case, load_cases, name_of, read_ended


@pytest.mark.parametrize("case", load_cases("datagrams"), ids=name_of)
def test_both_clients_write_the_same_bytes(case: Case) -> None:
    """Each datagram is one that the service reads, and none is too long."""
    host, name, text = (case["sender"][part] for part in ("host", "sender", "key"))
    key = text.encode() if text else None
    every = rows(read_ended(case), set())
    written = datagrams(Sender(host, name, key), every, first=case["first"], at=case["at"], span_s=case["span_s"])
    sent = [each.encode("utf-8") for each in case["datagrams"]]
    assert list(written) == sent
    now = datetime.fromtimestamp(case["at"], UTC)
    targets = {str(row[0]): str(row[0]) for row in every}
    read = [decode(data, key=key, now=now, source="10.0.0.1", targets=targets) for data in sent]
    assert [report.number for report in read] == list(range(case["first"], case["first"] + len(sent)))
    assert all(report.unknown == 0 and report.counts for report in read)
    assert max(map(len, sent), default=0) <= MOST_BYTES
