"""What a region that is blind knows of its targets."""

from pathlib import Path

from controller.routing.candidates import build_candidates
from controller.routing.overrides import NO_OVERRIDES
from monitor.health import not_observed
from tests.support.builders import T0, in_regions, settings


def test_a_blind_region_makes_its_own_targets_unfit_alone() -> None:
    """What is `unknown` in another region may still be tried."""
    configured = in_regions(settings(Path("/nowhere"), "openai/a", "other/b"), ("eu", "us"))
    health = {target.id: not_observed(target.id, T0) for target in configured.targets}
    known = build_candidates(configured, configured.routes, health, NO_OVERRIDES, T0, blind={"eu"})
    unfit = {name for name, candidate in known.items() if not candidate.could_be_eligible}
    assert unfit == {
        "openai/a@eu",
        "other/b@eu",
    }
