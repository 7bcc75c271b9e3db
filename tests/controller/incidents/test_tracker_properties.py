"""What holds of incidents whatever health does: one a slot, and the same facts twice change nothing."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.incidents.incident import Incident
from controller.incidents.timeline import MAX_ENTRIES
from controller.incidents.tracker import REOPENS_WITHIN
from monitor.connectivity.messages import NetworkLoss
from monitor.health import UNHEALTHY, Health, TargetHealth
from tests.support.incident_world import HAIKU, LUNA, MINI, World

HEALTHS = st.dictionaries(st.sampled_from([LUNA, MINI, HAIKU]), st.sampled_from(list(Health)), max_size=3)
TARGETS = [LUNA, HAIKU]
STEPS = st.lists(
    st.tuples(
        HEALTHS, st.sampled_from([1, 20, 300, 1200]), st.booleans(), st.booleans(), st.sampled_from([LUNA, HAIKU])
    ),
    max_size=25,
)


def slots(incidents: list[Incident]) -> Counter[tuple[str, str]]:
    """How many incidents there are of each provider and slot."""
    return Counter((one.provider, one.kind.slot) for one in incidents)


@settings(deadline=None)
@given(steps=STEPS)
def test_what_holds_after_every_cycle(steps: list[tuple[dict[str, Health], int, bool, bool, str]]) -> None:
    """Any sequence of healths, pauses, moves, routes that are stuck, and losses of our own network."""
    world = World()
    for number, (health, pause_s, stuck, away, at) in enumerate(steps):
        late = {slot for one in world.closed if recent(one, world, pause_s) for slot in slots([one])}
        ids = {one.id for one in (*world.open, *world.closed)}
        world.now += timedelta(seconds=pause_s)
        for name, new in health.items():
            if name not in world.health or world.health[name].health is not new:
                world.health[name] = replace(seen_now(world, name, new), reason=f"{name} is {new}: reason {number}")
        if at != world.routes["chat"].target:
            world.routes["chat"] = replace(world.routes["chat"], target=at, at=world.now, reason=f"move {number}")
        loss = NetworkLoss(since=world.now - timedelta(seconds=90), uncounted={"openai": 1}) if away else None
        facts = {"stuck": {"chat": "it waits"} if stuck else {}, "loss": loss}
        changed = world.ask(after_s=0, **facts)

        assert world.look(**facts) == [], "the same facts change nothing"
        assert all(count == 1 for count in slots(world.open).values()), "one open incident of a slot"
        opened = [one for one in (*world.open, *world.closed) if one.id not in ids]
        assert not late & slots(opened).keys(), "what comes back is no new incident"
        for one in changed:
            assert len(one.timeline) <= MAX_ENTRIES
            assert [line.at for line in one.timeline] == sorted(line.at for line in one.timeline)
            assert one.resolved_at is None or one.timeline[-1].text == "Resolved"
        affected = {a.target for one in world.open for a in one.affected}
        assert {name for name, one in world.health.items() if one.health in UNHEALTHY} <= affected, (
            "nothing bad is untold"
        )


def recent(one: Incident, world: World, pause_s: int) -> bool:
    """Whether it was resolved so lately that it must come back, should anything be wrong after the pause."""
    assert one.resolved_at is not None
    return world.now + timedelta(seconds=pause_s) - one.resolved_at <= REOPENS_WITHIN


def seen_now(world: World, name: str, health: Health) -> TargetHealth:
    """The target in this health as of now."""
    return TargetHealth(target=name, health=health, since=world.now, reason="")


def test_a_crash_before_the_incident_changes_nothing_of_it() -> None:
    """Told a minute late from what was stored, it says the same as told at once."""
    world = World()
    world.cycle({LUNA: Health.UP, HAIKU: Health.UP})
    [at_once] = world.cycle({LUNA: Health.DOWN, MINI: Health.DOWN})
    assert world.look(open_incidents=(), now=world.now + timedelta(minutes=1)) == [at_once]
