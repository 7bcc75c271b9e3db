"""What people are told once: another model answered, a model will go."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.cycle import Cycle
from controller.journal import Journal
from controller.routing_file import RoutingFile
from controller.small_messages import notice_message
from monitor.database import open_writer
from monitor.notices import DEPRECATED, KINDS, SUBSTITUTED, Notice, Notices
from monitor.store import Store
from probes.observation import Observation
from tests.builders import T0, observation, settings

TARGET = "openai/gpt-6-luna"


def answered_by(model: str | None = None, *, at_s: float = 0.0, deprecation: str | None = None) -> Observation:
    """A good probe, with this besides."""
    return replace(observation(".", at_s=at_s, name=TARGET), model=model, deprecation=deprecation)


def tell(notices: Notices, *seen: Observation) -> list[str]:
    """The texts that people are told of these, one after the other, each when it was seen."""
    texts = []
    for one in seen:
        for notice in notices.due(one, one.started_at):
            notices.told(notice)
            texts.append(notice.text)
    return texts


def test_a_substitution_is_told_once() -> None:
    """However often it happens, and whatever answers in between."""
    seen = [
        answered_by("gpt-5.6-luna"),
        answered_by(),
        *[answered_by("gpt-5.6-luna", at_s=day * 86400) for day in range(40)],
    ]
    assert tell(Notices(), *seen) == ["openai/gpt-6-luna was answered by gpt-5.6-luna"]


def test_each_kind_and_target_is_told_for_itself() -> None:
    """One observation may say both; another target says its own."""
    both = answered_by("gpt-5", deprecation="retires 2026-12-01")
    other = replace(both, target="azure/gpt-6-luna")
    assert tell(Notices(), both, other) == [
        "openai/gpt-6-luna was answered by gpt-5",
        "the provider says of openai/gpt-6-luna: retires 2026-12-01",
        "azure/gpt-6-luna was answered by gpt-5",
        "the provider says of azure/gpt-6-luna: retires 2026-12-01",
    ]


def test_a_notice_is_due_until_it_is_told() -> None:
    """A database that could not be written must not swallow it."""
    notices = Notices()
    [first] = notices.due(answered_by("gpt-5"), T0)
    assert notices.due(answered_by("gpt-5"), T0) == (first,)
    notices.told(first)
    assert notices.due(answered_by("gpt-5"), T0) == ()


def test_random_names_do_not_spam() -> None:
    """Three a day, thirty in all; the last one says that it is the last."""
    seen = [answered_by(f"model-{number}", at_s=number * 600) for number in range(144 * 60)]
    told = tell(Notices(), *seen)
    assert len(told) == 30
    assert told[:4] == [f"{TARGET} was answered by model-{number}" for number in (0, 1, 2, 36)]
    assert told[-1] == f"{TARGET} is answered by ever other models: no further one is told"


def test_a_hint_that_counts_down_is_told_once_a_day() -> None:
    """And not for ever."""
    seen = [answered_by(deprecation=f"{number} hours left", at_s=number * 3600) for number in range(24 * 60)]
    told = tell(Notices(), *seen)
    assert told[:2] == [f"the provider says of {TARGET}: {hours} hours left" for hours in (0, 6)]
    assert len(told) == 30
    assert told[-1] == f"the provider says ever other things of the future of {TARGET}: nothing further is told"


def test_nothing_is_said_of_what_is_as_it_should_be() -> None:
    """The usual reply."""
    assert tell(Notices(), answered_by()) == []


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database of its own."""
    opened = open_writer(settings(tmp_path, TARGET).database)
    yield opened
    opened.dispose()


def test_the_cycle_tells_it_across_restarts(tmp_path: Path, engine: Engine) -> None:
    """As an event for people in Slack, once, also when the service was restarted and everything else was pruned."""
    wanted = settings(tmp_path, TARGET, "anthropic/c")
    for life in range(3):
        store, journal = Store(engine), Journal(engine)
        cycle = Cycle(wanted, store, journal, RoutingFile(wanted.routing_file))
        now = T0 + timedelta(days=20 * life)
        cycle.start(now)
        seen = answered_by("gpt-5", at_s=20 * life * 86400)
        cycle.run([seen], now)
        cycle.run([replace(seen, started_at=seen.started_at + timedelta(minutes=1))], now)
        store.add_event(now, "probe_skipped", TARGET, "for this test")
        store.prune(now + timedelta(days=14))
    [told] = Journal(engine).untold()
    assert (told.kind, told.subject, told.text) == (SUBSTITUTED, TARGET, f"{TARGET} was answered by gpt-5")
    assert Store(engine).notices() == [Notice(kind=SUBSTITUTED, target=TARGET, text=told.text, at=T0)]


@pytest.mark.parametrize("kind", KINDS)
def test_slack_gets_it_disarmed(kind: str) -> None:
    """With a symbol of its own, and nothing in it that mentions or links."""
    message = notice_message(kind, TARGET, f"{TARGET} was answered by <!channel>", at=T0)
    assert message.text.startswith(f"🔁 {kind.replace('_', ' ').capitalize()}: {TARGET}\n")
    assert "<!channel>" not in message.text
    assert DEPRECATED in KINDS
