"""The client around the real openai SDK through the table of faults; `make client-faults` adds those that take long."""

from dataclasses import replace
from math import inf

import pytest

from benchmarks.client_faults.faults import FAULTS, Fault
from benchmarks.client_faults.judge import find_wrong
from benchmarks.client_faults.play import play
from benchmarks.client_faults.products import PRODUCTS

QUICK = [fault for fault in FAULTS if not fault.controlled and not fault.waits_for_a_limit]


@pytest.mark.slow
@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_every_request_ends_right(fault: Fault) -> None:
    """What must hold of the fault does, but for the time that it takes."""
    _, outcome = play(PRODUCTS["hotspare"], fault)
    assert find_wrong(replace(fault, must=replace(fault.must, longest_s=inf)), outcome) == []
