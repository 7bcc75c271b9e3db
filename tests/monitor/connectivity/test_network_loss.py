"""Is it us: which failures are taken for our own network's, and what people are told of it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from monitor.connectivity.messages import ConnectivityNote
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from probes.target import Check
from tests.support.builders import T0

ENDPOINTS = ("https://one.example", "https://two.example", "https://three.example")
ALL = frozenset(ENDPOINTS)
NONE: frozenset[str] = frozenset()
BOTH = frozenset({"openai", "anthropic"})
A, B = "openai/a", "anthropic/b"
Answering = Callable[[datetime], frozenset[str]]


def later(seconds: float) -> datetime:
    """So long after T0."""
    return T0 + timedelta(seconds=seconds)


def seen(name: str, outcome: str, begun_s: float, ended_s: float) -> Observation:
    """What a probe of this target saw, from and to so long after T0."""
    return Observation(
        target=name,
        check=Check.CHAT,
        started_at=later(begun_s),
        outcome=Outcome(outcome),
        duration_s=ended_s - begun_s,
    )


def answered(name: str, at_s: float) -> Observation:
    """A good answer after a second."""
    return seen(name, "ok", at_s - 1, at_s)


def dark(*times: tuple[float, float], there: frozenset[str] = NONE) -> Answering:
    """A world in which only `there` answer between these seconds after T0, and all endpoints otherwise."""

    def answering(at: datetime) -> frozenset[str]:
        at_s = (at - T0).total_seconds()
        return there if any(from_s <= at_s < until_s for from_s, until_s in times) else ALL

    return answering


def judged(
    world: Answering, *story: Observation, endpoints: tuple[str, ...] = ENDPOINTS, providers: frozenset[str] = BOTH
) -> list[bool]:
    """Of each of these observations whether it was blind."""
    detector = NetworkLossDetector(endpoints, providers)
    return [detector.follow(one, world) for one in story]


CALM = tuple(answered(name, at_s) for at_s in range(0, 100, 20) for name in (A, B))


@pytest.mark.parametrize(
    ("world", "failures", "blind"),
    [
        pytest.param(dark(), [(A, "unreachable", 100, 105)], [False], id="one that fails alone is not us"),
        pytest.param(dark(), [(A, "timeout", 100, 130)], [False], id="nor is one that hangs"),
        pytest.param(
            dark(),
            [(A, "timeout", 100, 130), (B, "timeout", 101, 131), (A, "timeout", 137, 167)],
            [False] * 3,
            id="all fail at once while the endpoints answer: it is them",
        ),
        pytest.param(
            dark((99, 700)),
            [(A, "unreachable", 100, 105), (B, "unreachable", 103, 108)],
            [True] * 2,
            id="the endpoints are silent too: it is us",
        ),
        pytest.param(
            dark((99, 119)),
            [(A, "timeout", 100, 130), (B, "timeout", 102, 132), (A, "timeout", 118, 148)],
            [True] * 3,
            id="probes that hang through a short loss end when it is over, and are ours all the same",
        ),
        pytest.param(
            dark((99, 119)),
            [(A, "unreachable", 100, 105), (A, "timeout", 118, 148), (A, "timeout", 150, 180)],
            [True, True, False],
            id="a probe that began after the loss is the provider's",
        ),
        pytest.param(
            dark((99, 700), there=frozenset(ENDPOINTS[:1])),
            [(A, "unreachable", 100, 105), (B, "unreachable", 103, 108)],
            [True] * 2,
            id="two of three endpoints stop answering with them: our network loses packets",
        ),
        pytest.param(
            dark((99, 700), there=frozenset(ENDPOINTS[:2])),
            [(A, "unreachable", 100, 105), (B, "unreachable", 103, 108)],
            [False] * 2,
            id="one endpoint that goes and stays away is its own trouble",
        ),
        pytest.param(
            dark((99, 106), (110, 112), there=frozenset(ENDPOINTS[:2])),
            [(A, "unreachable", 100, 105), (A, "unreachable", 112, 117)],
            [False, True],
            id="one endpoint that comes and goes: our network loses packets",
        ),
        pytest.param(
            dark((99, 102)),
            [(A, "server_error", 100, 101), (B, "broken_stream", 100, 101)],
            [False] * 2,
            id="whoever answered, if badly, is judged",
        ),
    ],
)
def test_whose_failure_it_is(
    world: Answering, failures: list[tuple[str, str, float, float]], blind: list[bool]
) -> None:
    """After a calm minute in which providers and endpoints answered, these probes fail."""
    assert judged(world, *CALM, *(seen(*failure) for failure in failures))[len(CALM) :] == blind


def test_one_provider_alone_is_judged() -> None:
    """Its timeouts count although nobody else could answer meanwhile: the endpoints do."""
    story = [answered(A, 0), answered(A, 30), seen(A, "timeout", 60, 90), seen(A, "timeout", 97, 127)]
    assert judged(dark(), *story, providers=frozenset({"openai"})) == [False] * 4


def test_a_silence_is_looked_into_before_a_failure_says_so() -> None:
    """Nobody answers for longer than is usual: the endpoints are asked while it lasts."""
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    for one in CALM:
        detector.follow(one, dark())
    assert not detector.due(later(80 + 20))
    assert detector.due(later(80 + 30))


def test_quiet_askings_are_rare() -> None:
    """While all answer, the endpoints are asked every ten minutes and not more."""
    detector, asked = NetworkLossDetector(ENDPOINTS, BOTH), []

    def answering(at: datetime) -> frozenset[str]:
        asked.append(at)
        return ALL

    for at_s in range(0, 7200, 10):
        assert not detector.follow(answered(A, at_s), answering)
    assert 12 <= len(asked) <= 16


def test_a_long_outage_is_not_asked_about_all_the_time() -> None:
    """However often probes of a provider fail: every two seconds at first, then every five, of other kinds ten."""
    for outcome, most in (("unreachable", 15 + 570 / 5), ("server_error", 60)):
        detector = NetworkLossDetector(ENDPOINTS, BOTH)
        asked: list[datetime] = []

        def answering(at: datetime, asked: list[datetime] = asked) -> frozenset[str]:
            asked.append(at)
            return ALL

        detector.follow(answered(A, 0), answering)
        for tenth in range(10, 6000):
            detector.follow(seen(A, outcome, tenth / 10, tenth / 10 + 0.01), answering)
        assert 0.9 * most <= len(asked) <= 1.1 * most, outcome


@pytest.mark.parametrize(
    ("endpoints", "said"),
    [((), "none is configured"), (ENDPOINTS, "https://one.example")],
    ids=["no endpoint", "endpoints that never answered"],
)
def test_without_trusted_endpoints_the_providers_decide(endpoints: tuple[str, ...], said: str) -> None:
    """A failure is a provider's own once another has answered after it; that this is so is said once."""
    detector = NetworkLossDetector(endpoints, BOTH)

    def follow(one: Observation) -> bool:
        return detector.follow(one, lambda _: NONE)

    assert follow(seen(A, "timeout", 0, 1)), "nobody else has been heard since"
    assert not follow(answered(B, 11))
    assert not follow(seen(A, "timeout", 20, 21)), "the other one has answered since these began"
    assert follow(seen(A, "timeout", 150, 151))
    assert follow(seen(B, "timeout", 150, 152)), "now neither does"
    notes = detector.messages.take_notes()
    assert [note.kind for note in notes] == ["endpoints_untrusted", "network_lost"]
    assert said in notes[0].text


def test_without_endpoints_a_silence_of_all_is_ours_to_its_end() -> None:
    """Probes that hang through it end when others have long answered again; nobody is asked in vain."""
    story = [answered(A, 0), answered(B, 15), seen(A, "timeout", 30, 60), seen(B, "timeout", 45, 75)]
    late = [answered(B, 83), seen(A, "timeout", 68, 98), seen(A, "timeout", 105, 135)]
    assert judged(dark(), *story, *late, endpoints=())[2:] == [True, True, False, True, False]
    detector = NetworkLossDetector((), BOTH)
    assert not detector.add_batch([answered(A, 0), *story], later(60))
    assert not detector.due(later(10_000))


def test_a_provider_alone_without_endpoints_is_judged() -> None:
    """There is nobody to compare it with: better a route that is called stuck than an outage that nobody sees."""
    assert judged(dark(), seen(A, "timeout", 0, 30), endpoints=(), providers=frozenset({"openai"})) == [False]


def told(story: list[Observation], world: Answering) -> list[ConnectivityNote]:
    """What people are told while this happens."""
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    notes: list[ConnectivityNote] = []
    for one in story:
        detector.follow(one, world)
        notes += detector.messages.take_notes()
    return notes


def test_people_are_told_once_when_it_is_over() -> None:
    """For how long, and what was held against nobody; flickering is one loss, and one message."""
    lost = [seen(name, "unreachable", at_s, at_s + 5) for at_s in range(100, 210, 10) for name in (A, B)]
    back = [answered(name, at_s) for at_s in range(216, 400, 10) for name in (A, B)]
    lost_note, back_note = told([*CALM, *lost, *back], dark((99, 130), (140, 212)))
    assert (lost_note.kind, lost_note.notify) == ("network_lost", False)
    assert lost_note.text.startswith("no neutral endpoint answers: ")
    assert (back_note.kind, back_note.notify) == ("network_back", True)
    assert 90 < back_note.lasted_s < 140
    assert "(18:01:40 to 18:03:3" in back_note.text or "(18:01:20 to 18:03:3" in back_note.text
    assert "22 failed probes (anthropic 11, openai 11) not counted; the routes held" in back_note.text


def test_a_loss_is_known_while_it_lasts_and_for_a_minute_after() -> None:
    """Since when, until when, and what is held against nobody for that: an incident is made of it."""
    detector, world = NetworkLossDetector(ENDPOINTS, BOTH), dark((99, 160))
    lost = [seen(name, "unreachable", at_s, at_s + 5) for at_s in range(100, 150, 10) for name in (A, B)]
    back = [answered(name, at_s) for at_s in range(166, 300, 10) for name in (A, B)]
    known = []
    for one in [*CALM, *lost, *back]:
        detector.follow(one, world)
        known.append(detector.messages.loss)
    losses = [loss for loss in known if loss]
    assert known[0] is None
    assert losses[0].until is None
    assert len({loss.since for loss in losses}) == 1
    assert losses[-1].until is not None
    assert dict(losses[-1].uncounted) == {"anthropic": 5, "openai": 5}
    assert known[-1] is None


def test_a_loss_that_touched_nobody_is_no_message() -> None:
    """Only the silence was noticed: the log says so, nobody is woken."""
    back = [answered(name, at_s) for at_s in range(130, 300, 10) for name in (A, B)]
    notes = told([*CALM, *back], dark((99, 128)))
    assert [(note.kind, note.notify) for note in notes] == [("network_lost", False), ("network_back", False)]


def stored(world: Answering, story: list[Observation]) -> tuple[list[ConnectivityObservation], list[bool]]:
    """What the endpoints said while this happened, as the store keeps it, and what was blind."""
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    asked_at: list[datetime] = []

    def answering(at: datetime) -> frozenset[str]:
        asked_at.append(at)
        return world(at)

    blind = [detector.follow(one, answering) for one in story]
    said = [
        ConnectivityObservation(at=at, state=ConnectivityState.ONLINE, asked=ENDPOINTS, answered=world(at))
        for at in asked_at
    ]
    return said, blind


def test_what_was_stored_judges_as_it_was_judged() -> None:
    """The observations and the askings of the past are all it takes; what nobody asked about is nobody's fault."""
    story = sorted(
        [*CALM, *(seen(A, "timeout", at_s, at_s + 30) for at_s in range(100, 400, 38)), answered(B, 300)],
        key=lambda one: one.finished_at,
    )
    said, blind = stored(dark((99, 119), (230, 300)), story)
    assert {True, False} == set(blind[len(CALM) :])
    assert list(NetworkLossDetector(ENDPOINTS, BOTH).replay(story, said)) == list(zip(story, blind, strict=True))
    unasked = dict(NetworkLossDetector(ENDPOINTS, BOTH).replay(story, []))
    assert all(unasked[one] is (one.outcome is Outcome.TIMEOUT) for one in story)


def test_who_probed_elsewhere_has_looked_there() -> None:
    """Nobody asks the endpoints here because of that, and it is no sign of life of our own network."""
    failed = [replaced(seen(A, "timeout", at_s, at_s + 9), region="eu", failed_here=at_s > 100) for at_s in (95, 105)]
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    assert not detector.add_batch(failed, later(120))
    assert detector.find_blind(failed) == {failed[1]}
    assert detector.messages.loss is None
    assert [blind for _, blind in NetworkLossDetector(ENDPOINTS, BOTH).replay(failed, [])] == [False, True]


def test_endpoints_that_are_configured_no_more_say_nothing() -> None:
    """What others said of the past is not taken for the silence of ours."""
    said = [
        ConnectivityObservation(
            at=later(9), state=ConnectivityState.ONLINE, asked=("https://former.example",), answered=NONE
        )
    ]
    failure = seen(A, "timeout", 0, 8)
    assert list(NetworkLossDetector(ENDPOINTS, BOTH).replay([failure], said)) == [(failure, True)]


def test_a_restart_remembers_whom_to_trust_and_what_is_yet_to_be_told() -> None:
    """The service starts anew while our network is down: it stays blind, and people are told when it is over."""
    online = ConnectivityObservation(at=later(0), state=ConnectivityState.ONLINE, asked=ENDPOINTS, answered=ALL)
    silent = ConnectivityObservation(at=later(60), state=ConnectivityState.BLIND, asked=ENDPOINTS, answered=NONE)
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    detector.resume([online, silent])
    assert detector.messages.take_notes() == (), "the last service has said so"
    assert detector.find_blind([]) == frozenset()
    world = dark((0, 100))
    assert detector.follow(seen(A, "timeout", 70, 90), world)
    for at_s in range(110, 200, 10):
        detector.follow(answered(A, at_s), world)
    assert [(note.kind, note.notify) for note in detector.messages.take_notes()] == [("network_back", True)]


def test_a_restart_does_not_tell_twice() -> None:
    """What was over for a minute before the last service ended was its to tell."""
    said = [
        ConnectivityObservation(
            at=later(at_s), state=ConnectivityState.ONLINE, asked=ENDPOINTS, answered=dark((50, 70))(later(at_s))
        )
        for at_s in range(0, 200, 10)
    ]
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    detector.resume(said)
    for at_s in range(200, 400, 10):
        detector.follow(answered(A, at_s), dark())
    assert detector.messages.take_notes() == ()


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0], ids=["back", "forward"])
def test_a_clock_that_jumps_an_hour_blinds_nobody(step_s: float) -> None:
    """Whichever way: the endpoints answer, so failures are the provider's, and a loss after it is ours."""
    world = dark((200 + step_s, 300 + step_s))
    after = [answered(A, 100 + step_s), seen(A, "unreachable", 105 + step_s, 110 + step_s)]
    lost = [seen(A, "unreachable", 210 + step_s, 215 + step_s), seen(A, "timeout", 290 + step_s, 320 + step_s)]
    assert judged(world, *CALM, *after, *lost)[len(CALM) :] == [False, False, True, True]


def test_a_loss_may_begin_before_anything_answers_by_a_clock_that_was_set_back() -> None:
    """It is told as of then: of the time before nothing is known."""
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    detector.add_check(ALL, T0)
    at = T0 - timedelta(days=365)
    detector.add_batch((), at)
    detector.add_check(NONE, at)
    assert detector.messages.loss is not None
    assert timedelta(0) < at - detector.messages.loss.since < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ago", "answers", "state"),
    [
        (None, ALL, ConnectivityState.ONLINE),
        (None, NONE, ConnectivityState.UNTRUSTED),
        (timedelta(minutes=59), NONE, ConnectivityState.BLIND),
        (timedelta(minutes=61), NONE, ConnectivityState.UNTRUSTED),
        (timedelta(minutes=61), ALL, ConnectivityState.ONLINE),
    ],
    ids=[
        "any answer is online",
        "silence that was never broken says nothing",
        "silence after a recent answer is blind",
        "an answer is trusted for an hour",
        "an answer is enough, however long ago the last",
    ],
)
def test_what_a_check_means(ago: timedelta | None, answers: frozenset[str], state: ConnectivityState) -> None:
    """Online, blind, or nothing to go by."""
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    if ago is not None:
        detector.add_check(frozenset({ENDPOINTS[0]}), T0 - ago)

    assert detector.add_check(answers, T0).state is state


def test_a_check_that_one_endpoint_misses_keeps_them_trusted() -> None:
    """Whichever of them answered last."""
    detector = NetworkLossDetector(ENDPOINTS, BOTH)
    detector.add_check(ALL, T0)
    detector.add_check(frozenset(ENDPOINTS[1:]), later(3600))

    assert detector.add_check(NONE, later(3601 + 3590)).state is ConnectivityState.BLIND
