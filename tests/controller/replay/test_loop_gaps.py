"""A stored history with hours without probes: resumed by the service, and replayed from its database."""

from pathlib import Path

import pytest

from controller.incidents.queries import read_transitions
from controller.journal import Journal
from controller.replay.comparison import DecisionDifference
from controller.replay.runner import replay
from controller.routing.decision import MoveKind
from controller.simulation.scenario import Outage, QuietBehaviour, Scenario
from monitor.health import FAILING, Health
from monitor.storage.database import open_reader
from tests.support.builders import settings
from tests.support.recorded_replies import Recording, at
from tests.support.worlds import outage

pytestmark = pytest.mark.slow

A, C = "openai/a", "anthropic/c"
#: The service stops so soon after a probe of A is due that its burst has seen two failures, and begins hours later.
STOPPED_S, BEGUN_S, END_S = 1808.5, 12600.0, 14400.0


def moves(
    folder: Path, *outages: Outage, stopped: tuple[tuple[float, float], ...] = ((STOPPED_S, BEGUN_S),)
) -> list[tuple[MoveKind, float]]:
    """What the route did, and after how many seconds, in this past; a replay must do the same."""
    folder.mkdir()
    wanted = settings(folder, A, C)
    quiet = QuietBehaviour(failure_rate=0.0)
    world = Scenario(path=Path("made-up"), settings=wanted, duration_s=END_S, background=quiet, outages=outages)
    Recording(world, wanted, stopped=stopped).run()
    engine = open_reader(wanted.database)
    with engine.connect() as connection:
        changed = read_transitions(connection, (A, C), at(0), at(END_S))
    if stopped:
        resumed = [made.after for made in changed if made.at == at(BEGUN_S)]
        assert resumed == [Health.UNKNOWN, Health.UNKNOWN], "nothing is known after the gap"
        assert not [made for made in changed if at(STOPPED_S) < made.at <= at(BEGUN_S) and made.after in FAILING]
    answer = replay(wanted, engine, since_s=END_S, now=at(END_S))
    made = [each for each in Journal(engine).decisions(100)[::-1] if each.move is not MoveKind.FIRST]
    engine.dispose()
    assert {pair.change for pair in answer.pairs} <= {DecisionDifference.SAME}
    return [(each.move, (each.at - at(0)).total_seconds()) for each in made]


def test_evidence_from_before_a_gap_is_not_counted_with_what_comes_after(tmp_path: Path) -> None:
    """Two failures before and one after it would be a verdict; nothing moves, then or later."""
    before = outage(1799.0, 3600.0, targets=(A,), failure_rate=1.0)
    after = outage(BEGUN_S - 1.0, 4.0, targets=(A,), failure_rate=1.0)
    assert moves(tmp_path / "gap", before, after) == []
    [(first, _), (second, _)] = moves(tmp_path / "none", before, stopped=())
    assert (first, second) == (MoveKind.FAILOVER, MoveKind.FAILBACK), "without the gap it is an outage"


def test_an_outage_after_a_gap_is_found_as_soon_as_without(tmp_path: Path) -> None:
    """And the route comes back."""
    failing = outage(BEGUN_S, 600.0, targets=(A,), failure_rate=1.0)
    (out, gap_s), (back, _) = moves(tmp_path / "gap", failing)
    (_, usual_s), _ = moves(tmp_path / "none", failing, stopped=())
    assert (out, back) == (MoveKind.FAILOVER, MoveKind.FAILBACK)
    assert gap_s == pytest.approx(usual_s, abs=10.0)
