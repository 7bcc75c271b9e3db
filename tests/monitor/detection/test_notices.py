"""What people are told once: another model answered, a model will go, a check fails or is mute."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.alerts.slack.other_messages import notice_message
from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing.routing_file import RoutingFile
from monitor.config.settings import Settings
from monitor.detection.background import BackgroundRate
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.notices import (
    CHECK_FAILING,
    DEPRECATED,
    KINDS,
    NEEDS_ATTENTION,
    NOISY,
    SUBSTITUTED,
    WELL_AGAIN,
    NoticeFilter,
    TargetNotice,
)
from monitor.detection.target_state import TargetState
from monitor.health import Health
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.observation import OWN_FAULT, Observation
from probes.outcome import Outcome
from probes.target import Check
from tests.support.builders import T0, observation, settings
from tests.support.pending_reports import untold_events

TARGET = "openai/gpt-6-luna"
ATTENTION = "3 times in a row: the probe needs attention; last: HTTP 400"


def answered_by(model: str | None = None, *, at_s: float = 0.0, deprecation: str | None = None) -> Observation:
    """A good probe, with this besides."""
    return replace(observation(".", at_s=at_s, name=TARGET), model=model, deprecation=deprecation)


def tell(notices: NoticeFilter, *seen: Observation) -> list[str]:
    """The texts that people are told of these, one after the other, each when it was seen."""
    texts = []
    for one in seen:
        for notice in notices.due_of_models(one, one.started_at):
            notices.mark_reported(notice)
            texts.append(notice.text)
    return texts


def test_a_substitution_is_told_once() -> None:
    """However often it happens, and whatever answers in between."""
    seen = [
        answered_by("gpt-5.6-luna"),
        answered_by(),
        *[answered_by("gpt-5.6-luna", at_s=day * 86400) for day in range(40)],
    ]
    assert tell(NoticeFilter(), *seen) == ["openai/gpt-6-luna was answered by gpt-5.6-luna"]


def test_each_kind_and_target_is_told_for_itself() -> None:
    """One observation may say both; another target says its own."""
    both = answered_by("gpt-5", deprecation="retires 2026-12-01")
    other = replace(both, target="azure/gpt-6-luna")
    assert tell(NoticeFilter(), both, other) == [
        "openai/gpt-6-luna was answered by gpt-5",
        "the provider says of openai/gpt-6-luna: retires 2026-12-01",
        "azure/gpt-6-luna was answered by gpt-5",
        "the provider says of azure/gpt-6-luna: retires 2026-12-01",
    ]


def test_a_notice_is_due_until_it_is_told() -> None:
    """A database that could not be written must not swallow it."""
    notices = NoticeFilter()
    [first] = notices.due_of_models(answered_by("gpt-5"), T0)
    assert notices.due_of_models(answered_by("gpt-5"), T0) == (first,)
    notices.mark_reported(first)
    assert notices.due_of_models(answered_by("gpt-5"), T0) == ()


def test_random_names_do_not_spam() -> None:
    """Three a day, thirty in all; the last one says that it is the last."""
    seen = [answered_by(f"model-{number}", at_s=number * 600) for number in range(144 * 60)]
    told = tell(NoticeFilter(), *seen)
    assert len(told) == 30
    assert told[:4] == [f"{TARGET} was answered by model-{number}" for number in (0, 1, 2, 36)]
    assert told[-1] == f"{TARGET} keeps being answered by different models; further changes are not reported"


def test_a_hint_that_counts_down_is_told_once_a_day() -> None:
    """And not for ever."""
    seen = [answered_by(deprecation=f"{number} hours left", at_s=number * 3600) for number in range(24 * 60)]
    told = tell(NoticeFilter(), *seen)
    assert told[:2] == [f"the provider says of {TARGET}: {hours} hours left" for hours in (0, 6)]
    assert len(told) == 30
    assert told[-1] == f"the provider keeps announcing other things about {TARGET}; further ones are not reported"


def test_a_busy_machine_is_one_notice() -> None:
    """However many targets it concerns; its end is one too, once all of them have been well for a minute."""
    notices, busy = NoticeFilter(), replace(answered_by(), outcome=Outcome.BAD_REQUEST, detail=f"{OWN_FAULT} failed: x")
    targets, texts = [f"p/m{number}" for number in range(7)], []

    def probe(outcome: Outcome, names: list[str], at_s: float) -> None:
        for name in names:
            failed = outcome is Outcome.BAD_REQUEST
            probed = replace(
                busy, target=name, outcome=outcome, started_at=T0 + timedelta(seconds=at_s), failed_here=failed
            )
            assert notices.due_of_checks(probed, TargetState(target=name, since=T0), T0) == ()
        for notice in notices.due_of_machine(T0 + timedelta(seconds=at_s)):
            texts.append((notice.kind, notice.target, notice.text))
            notices.mark_reported(notice)

    for second in range(10):
        probe(Outcome.BAD_REQUEST, targets, second)
    [first] = texts
    several = "probes of p/m0, p/m1, p/m2, p/m3 and 3 more fail on this machine, which says nothing of the providers"
    assert first == ("probe_needs_attention", "this machine", f"{several}; last: {OWN_FAULT} failed: x")
    probe(Outcome.OK, targets[:6], 11)
    probe(Outcome.BAD_REQUEST, targets[:3], 12)
    assert texts == [first], "one was never well"
    probe(Outcome.OK, targets, 13)
    probe(Outcome.BAD_REQUEST, targets[:3], 40)
    probe(Outcome.OK, targets, 50)
    probe(Outcome.OK, targets, 109)
    assert texts == [first], "it came back within the minute"
    notices = NoticeFilter([TargetNotice(kind=kind, target=name, text=text, at=T0) for kind, name, text in texts])
    probe(Outcome.OK, targets, 110)
    probe(Outcome.OK, targets, 169)
    assert texts == [first], "after a restart a minute is waited for anew"
    probe(Outcome.OK, targets, 170)
    over = "no probe fails on this machine any more; they had since 18:00 UTC"
    assert texts[1:] == [("probes_work_again", "this machine", over)]
    for second in range(200, 203):
        probe(Outcome.BAD_REQUEST, targets[:1], second)
    assert texts[2:] == [("probe_needs_attention", "p/m0", texts[2][2])]


def test_nothing_is_said_of_what_is_as_it_should_be() -> None:
    """The usual reply."""
    assert tell(NoticeFilter(), answered_by()) == []


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database of its own."""
    opened = open_writer(database_url)
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
    [told] = untold_events(Journal(engine))
    assert (told.kind, told.subject, told.text) == (SUBSTITUTED, TARGET, f"{TARGET} was answered by gpt-5")
    assert Store(engine).notices() == [TargetNotice(kind=SUBSTITUTED, target=TARGET, text=told.text, at=T0)]


def turns_of(symbols: str, checks: str, *, start_s: float = 0.0) -> list[Observation]:
    """Probes every 30 s with these outcomes; the checks (`c` chat, `t` tool, `s` structured) take turns."""
    asked = {"c": Check.CHAT, "t": Check.TOOL, "s": Check.STRUCTURED}
    return [
        replace(observation(symbol, at_s=start_s + 30.0 * n, detail="HTTP 400"), check=asked[checks[n % len(checks)]])
        for n, symbol in enumerate(symbols)
    ]


def life(wanted: Settings, engine: Engine, seen: list[Observation]) -> list[tuple[str, str]]:
    """All that people are to be told once a service has lived through these, a cycle for each."""
    cycle = Cycle(wanted, Store(engine), Journal(engine), RoutingFile(wanted.routing_file))
    cycle.start(seen[0].started_at)
    for one in seen:
        cycle.run([one], one.finished_at)
    return [(event.kind, event.text) for event in untold_events(Journal(engine))]


def several(folder: Path, *checks: Check) -> Settings:
    """One target that is asked all of these."""
    wanted = settings(folder, TARGET)
    return replace(wanted, targets=(replace(wanted.targets[0], checks=checks),))


@pytest.mark.slow
def test_a_check_that_always_fails_is_told_once_until_it_was_well(tmp_path: Path, engine: Engine) -> None:
    """Across restarts, and however long it goes on; at most three times a day."""
    wanted = several(tmp_path, Check.CHAT, Check.TOOL)
    often, seldom = "c" * 15 + "t", "." * 15
    text = f"{TARGET}: the check tool has failed 5 times in a row (bad_answer), the others are well"
    assert life(wanted, engine, turns_of((seldom + "w") * 4, often)) == []
    assert life(wanted, engine, turns_of((seldom + "w") * 4, often, start_s=1920)) == [(CHECK_FAILING, text)]
    again = turns_of(seldom + "." + (seldom + "w") * 5, often, start_s=3840)
    assert life(wanted, engine, again) == [(CHECK_FAILING, text)] * 2
    much = turns_of((seldom + "." + (seldom + "w") * 5) * 4, often, start_s=3600 * 2)
    assert life(wanted, engine, much) == [(CHECK_FAILING, text)] * 3


@pytest.mark.slow
def test_a_check_that_fails_beside_others_says_so(tmp_path: Path, engine: Engine) -> None:
    """They are not well, then."""
    wanted = several(tmp_path, Check.CHAT, Check.TOOL, Check.STRUCTURED)
    beside = "structured (refused)"
    told = life(wanted, engine, turns_of(("." * 20 + "w" + "." * 20 + "f") * 5, "c" * 20 + "t" + "c" * 20 + "s"))
    assert told == [
        (NEEDS_ATTENTION, f"{TARGET}: the check structured is inconclusive, refused {ATTENTION}"),
        (CHECK_FAILING, f"{TARGET}: the check tool has failed 5 times in a row (bad_answer), but not alone: {beside}"),
    ]


@pytest.mark.parametrize(
    ("symbols", "checks", "text"),
    [
        pytest.param(
            ".fffff",
            "c",
            f"{TARGET} is unknown: its probes are inconclusive, refused {ATTENTION}",
            id="the only check: nothing is known",
        ),
        pytest.param(
            "fffff",
            "c",
            f"{TARGET} is unknown: its probes are inconclusive, refused {ATTENTION}",
            id="from the start",
        ),
        pytest.param(
            ".f" * 8,
            "ct",
            f"{TARGET}: the check tool is inconclusive, refused {ATTENTION}",
            id="one of two, though the other is answered in between",
        ),
    ],
)
def test_a_probe_that_says_nothing_is_told_once(
    tmp_path: Path, engine: Engine, symbols: str, checks: str, text: str
) -> None:
    """After three in a row of one check."""
    wanted = several(tmp_path, *((Check.CHAT, Check.TOOL) if "t" in checks else (Check.CHAT,)))
    assert life(wanted, engine, turns_of(symbols, checks)) == [(NEEDS_ATTENTION, text)]


def test_of_checks_no_more_than_thirty_are_told() -> None:
    """The last one says so."""
    notices = NoticeFilter(TargetNotice(kind=CHECK_FAILING, target=TARGET, text="as ever", at=T0) for _ in range(29))
    reported = []
    state = TargetState(target=TARGET, since=T0, health=Health.UP)
    for day in (1, 2):
        after = state
        for observed in turns_of("wwwww", "t", start_s=day * 86400):
            after = after.replace(check_failures=after.count_check(observed, (Check.CHAT, Check.TOOL)))
        after = after.mark_reported(observed)
        for notice in notices.due_of_checks(observed, after, observed.finished_at):
            notices.mark_reported(notice)
            reported.append(notice.text)
    assert reported == [
        f"a check of {TARGET} keeps failing while the others are well; further failures are not reported"
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_slack_gets_it_disarmed(kind: str) -> None:
    """With a symbol of its own, and nothing in it that mentions or links."""
    message = notice_message(kind, TARGET, f"{TARGET} was answered by <!channel>", at=T0)
    symbol = "🔁" if "model" in kind else "▶️" if kind == WELL_AGAIN else "⚠️"
    assert message.text.startswith(f"{symbol} {kind.replace('_', ' ').capitalize()}: {TARGET}\n")
    assert "<!channel>" not in message.text
    assert DEPRECATED in KINDS


def test_a_background_above_the_largest_is_told_once() -> None:
    """By what is usual over many probes; a bad hour alone tells nothing."""
    noisy = BackgroundRate(failures=160, probes=2000)
    for background, told in ((noisy, 1), (replace(noisy, failures=80), 0), (BackgroundRate(failures=5, probes=20), 0)):
        notices = NoticeFilter()
        state = TargetState(target=TARGET, since=T0, down=EvidenceTrack(background=background))
        due = notices.due_of_background(state, T0)
        assert [notice.kind for notice in due] == [NOISY] * told
        for notice in due:
            wanted = "fails more than 5% of its probes in quiet times: it may move routes for nothing"
            assert notice.text == f"{TARGET} {wanted}"
            notices.mark_reported(notice)
        assert not notices.due_of_background(state, T0 + timedelta(days=2))
