"""Faults of the network between the service and everything else: ours, or one provider's."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.drills.service.link import ShapedLink
from benchmarks.reliability.lab import FIRST, SECOND, BrokenPromiseError, Lab
from monitor.connectivity.network_loss import FRESH_S
from monitor.health import FAILING, Health

HOSTS: Final = {"one.test": "10.99.1.1", "two.test": "10.99.1.2", "well.test": "10.99.1.3"}
_LASTS_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFault:
    """One fault, and whom it is to be blamed on."""

    name: str
    provoke: Callable[[ShapedLink], Any]
    is_ours: bool = True
    """It is no provider's, so that nothing moves; else the route leaves the first one."""
    blinds: bool = False
    """Nobody is reached, the neutral endpoint as little as the providers: their health becomes unknown."""


@dataclass(kw_only=True)
class NetworkReport:
    """What came of one fault."""

    name: str
    moved_s: float | None = None
    """How long the route took to move; None: it stayed."""
    unknown_s: float | None = None
    """How long it took until the health of all was unknown; None: the fault blinds nobody."""
    moved_after_s: float = 0.0
    """How long it took, once the fault was over, where the first provider failed meanwhile."""
    wrong: list[str] = field(default_factory=list)


FAULTS: Final = (
    NetworkFault(name="own network gone", blinds=True, provoke=lambda link: setattr(link, "is_down", True)),
    NetworkFault(name="20 % of all packets lost", provoke=lambda link: setattr(link, "loss", 0.2)),
    NetworkFault(name="every packet 300 ms late", provoke=lambda link: setattr(link, "delay_s", 0.3)),
    NetworkFault(name="DNS silent", blinds=True, provoke=lambda link: setattr(link, "dns_is_silent", True)),
    NetworkFault(name="DNS knows no name", blinds=True, provoke=lambda link: link.unknown.update(HOSTS)),
    NetworkFault(name="first provider cut off", is_ours=False, provoke=lambda link: link.cut.add(HOSTS["one.test"])),
    NetworkFault(name="first provider's name gone", is_ours=False, provoke=lambda link: link.unknown.add("one.test")),
)


def fail_network(lasts_s: float = _LASTS_S, names: tuple[str, ...] = ()) -> Iterator[NetworkReport]:
    """A report of each fault, or of those whose names contain one of the words."""
    for number, fault in enumerate(FAULTS):
        if names and not any(name in fault.name for name in names):
            continue
        report = NetworkReport(name=fault.name)
        with TemporaryDirectory() as name:
            link = ShapedLink(f"hs{os.getpid()}{number}", HOSTS)
            try:
                _play(fault, Lab(Path(name), disks=False, faked_time=False, link=link), link, lasts_s, report)
            except BrokenPromiseError as error:
                report.wrong.append(str(error))
            finally:
                link.close()
        yield report


def _play(fault: NetworkFault, lab: Lab, link: ShapedLink, lasts_s: float, report: NetworkReport) -> None:
    try:
        lab.start()
        lab.until(lab.both_up, "both targets up")
        if fault.blinds:
            time.sleep(FRESH_S)  # until then the endpoint's answer from before the fault is believed
        fault.provoke(link)
        if fault.is_ours:
            if fault.blinds:
                report.unknown_s = lab.until(lambda: _are_unknown(lab), "the health of all unknown")
            _stay(lab, lasts_s, unknown=fault.blinds)
            lab.servers.failing = {"one"}
            _stay(lab, 1.0, unknown=fault.blinds)
            link.heal()
            report.moved_after_s = lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
        else:
            report.moved_s = lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
            link.heal()
        lab.servers.failing = set()
        lab.until(lab.both_up, "the route back")
        report.wrong += lab.watch.wrong
    finally:
        lab.close()


def _are_unknown(lab: Lab) -> bool:
    """Raises BrokenPromiseError where the route has moved, or one is to blame."""
    health = _health(lab)
    if lab.target() != FIRST:
        raise BrokenPromiseError(f"the route moved to {lab.target()}, for what is our own network's")
    if blamed := [f"{name} is {of_target}" for name, of_target in health.items() if of_target in FAILING]:
        raise BrokenPromiseError(f"{' and '.join(blamed)}, for what is our own network's")
    return all(of_target is Health.UNKNOWN for of_target in health.values())


def _health(lab: Lab) -> dict[str, Health]:
    return {name: Health(target["health"]) for name, target in lab.table().get("targets", {}).items()}


def _stay(lab: Lab, seconds: float, *, unknown: bool) -> None:
    """Nothing moves meanwhile; where it is `unknown` who is healthy, that stays so."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if lab.target() != FIRST:
            raise BrokenPromiseError(f"the route moved to {lab.target()}, for what is our own network's")
        if unknown and not _are_unknown(lab):
            raise BrokenPromiseError(f"the health is {_health(lab)}, while nobody can be reached")
        time.sleep(0.02)
