"""What applications send: the client's own datagrams are read; all else is refused, counted and reported once."""

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hotspare_client.datagram import MOST_BYTES, Ended, Sender, datagrams, mac, rows

from monitor.history.histogram import Histogram
from monitor.traffic.intake import Intake, reported_names
from monitor.traffic.request_counts import RequestCounts
from probes.outcome import Outcome
from tests.support.builders import T0, in_regions, settings

A, B = "openai/gpt-6-luna", "anthropic/claude"
KEY = b"a key of reports"


def sent(
    ended: Sequence[Ended], *, key: bytes | None = None, first: int = 0, at_s: float = T0.timestamp()
) -> list[bytes]:
    """The client's datagrams."""
    sender = Sender("web-1", "0123456789abcdef", key)
    return list(datagrams(sender, rows(ended, set()), first=first, at=at_s, span_s=0.5))


def request(target: str = A, outcome: str = "ok", *, tag: str = "", seconds: float = 0.8) -> Ended:
    """One that has ended."""
    return (target, outcome, seconds, seconds / 2, 10, 20, "chat", tag)


def taken(intake: Intake, every: Sequence[bytes]) -> list[RequestCounts]:
    """All counts of these datagrams, which come from one host at T0."""
    return [counts for data in every for counts in intake.take(data, "10.0.0.1", T0)]


def test_what_the_client_sends_is_read_as_it_was() -> None:
    """Outcomes, both histograms, tokens, route and tag."""
    ended = [request(), request(outcome="server_error"), request(B, tag="search")]
    one, other = taken(Intake({A: A, B: B}, key=None), sent(ended))
    assert (one.target, one.host, one.route, one.tag) == (A, "10.0.0.1", "chat", "")
    assert one.outcomes == {Outcome.OK: 1, Outcome.SERVER_ERROR: 1}
    assert one.duration == Histogram.of([0.8])
    assert one.first_token == Histogram.of([0.4])
    assert (one.input_tokens, one.output_tokens, one.span_s) == (20, 40, 0.5)
    assert (other.target, other.tag) == (B, "search")


def test_no_datagram_is_longer_than_one_packet() -> None:
    """However many targets, tags and durations there are; nothing is lost for it."""
    dice = random.Random(7)
    names = [f"provider{number}/{'model' * 8}-{number}" for number in range(30)]
    ended = [
        request(dice.choice(names), tag=f"feature {dice.randrange(50)}", seconds=dice.lognormvariate(0, 2))
        for _ in range(20_000)
    ]
    every = sent(ended, key=KEY)
    assert max(map(len, every)) <= MOST_BYTES
    counts = taken(Intake({name: name for name in names}, key=KEY), every)
    assert sum(sum(each.outcomes.values()) for each in counts) == len(ended)
    assert len({each.tag for each in counts}) <= 21


def test_a_signature_is_asked_for_where_a_key_is_set() -> None:
    """Unsigned, signed with another key, and changed on the way."""
    [good] = sent([request()], key=KEY)
    intake = Intake({A: A}, key=KEY)
    for bad in (*sent([request()]), *sent([request()], key=b"another"), good.replace(b"ok", b"no")):
        assert intake.take(bad, "10.0.0.1", T0) == ()
    assert intake.refused == {"with a wrong signature": 3}
    assert intake.take(good, "10.0.0.1", T0)


def test_what_was_sent_before_is_not_counted_again() -> None:
    """Nor what is older than the last; another host may have the same numbers."""
    [first], [second] = sent([request()], key=KEY), sent([request()], key=KEY, first=1)
    intake = Intake({A: A}, key=KEY)
    assert intake.take(second, "10.0.0.1", T0)
    assert intake.take(second, "10.0.0.1", T0) == ()
    assert intake.take(first, "10.0.0.1", T0) == ()
    assert intake.take(first, "10.0.0.2", T0)


@pytest.mark.parametrize("off_s", [-3600.0, -31.0, 31.0, 3600.0, 1e300])
def test_a_signed_report_of_another_time_is_refused(off_s: float) -> None:
    """From the past, and from the future; it may be a replay. Without a key the sender's clock does not matter."""
    intake = Intake({A: A}, key=KEY)
    assert taken(intake, sent([request()], key=KEY, at_s=T0.timestamp() + off_s)) == []
    assert taken(Intake({A: A}, key=None), sent([request()], at_s=T0.timestamp() + off_s))


def test_unknown_targets_are_counted_and_the_rest_is_used() -> None:
    """An application may follow another Hotspare as well."""
    intake = Intake({A: A}, key=None)
    assert len(taken(intake, sent([request(), request("who/knows")]))) == 1
    assert intake.take_news() == [
        "reports of targets that are not configured are not used (1 so far); this is reported once"
    ]
    taken(intake, sent([request("who/knows")], first=5))
    assert intake.take_news() == []


def _body(**changed: object) -> bytes:
    good: dict[str, object] = {"host": "h", "sender": "s", "seq": 1, "at": 0, "span_ms": 500, "rows": []}
    return b"hotspare.traffic/1 -\n" + json.dumps({**good, **changed}).encode()


_ROW = [A, "chat", "", {"ok": 1}, {"1": 1}, {}, 0, 0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xff" * 1400,
        b"GET / HTTP/1.1\r\n\r\n",
        b"hotspare.traffic/2 -\n{}",
        b"hotspare.traffic/1 -\n" + b"[" * 1300,
        b"hotspare.traffic/1 -\n{" + b'"a":1,' * 100,
        b"hotspare.traffic/1 -\n[]",
        _body(sender=None),
        _body(sender="x" * 999),
        _body(seq=-1),
        _body(seq=True),
        _body(seq=1.5),
        _body(at="now"),
        _body(span_ms=0),
        _body(rows={}),
        _body(rows=[None]),
        _body(rows=[_ROW[:5]]),
        _body(rows=[[1, *_ROW[1:]]]),
        _body(rows=[[*_ROW[:3], [], *_ROW[4:]]]),
        _body(rows=[[*_ROW[:3], {"ok": -1}, *_ROW[4:]]]),
        _body(rows=[[*_ROW[:3], {"ok": 1e9}, *_ROW[4:]]]),
        _body(rows=[[*_ROW[:3], {"ok": 10**30}, *_ROW[4:]]]),
        _body(rows=[[*_ROW[:4], {"one": 1}, *_ROW[5:]]]),
        _body(rows=[[*_ROW[:6], "many", 0]]),
        _body(rows=[_ROW] * 20) + b" " * 1400,
    ],
)
def test_garbage_is_refused(data: bytes) -> None:
    """Of any kind: nothing is raised, nothing is counted, and it is said what was wrong."""
    intake = Intake({A: A}, key=None)
    assert intake.take(data, "10.0.0.1", T0) == ()
    assert intake.refused.total() == 1


def test_what_is_random_is_refused() -> None:
    """Bytes that were flipped in a good datagram raise nothing."""
    dice, intake = random.Random(3), Intake({A: A}, key=None)
    [good] = sent([request()])
    for _ in range(2_000):
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        intake.take(bytes(bad), "10.0.0.1", T0)
    assert intake.refused.total() > 1_000


def test_outcomes_that_are_no_words_of_ours_count_for_nothing() -> None:
    """Of a newer client, for instance."""
    [counts] = taken(Intake({A: A}, key=None), sent([request(), request(outcome="new_word")]))
    assert counts.outcomes == {Outcome.OK: 1}


def test_a_tag_is_short_and_there_are_few() -> None:
    """Ten kilobytes, and a hundred thousand of them."""
    intake = Intake({A: A}, key=None)
    for number in range(300):
        taken(intake, sent([request(tag=f"{number}" + "x" * 10_000)], first=number))
    [counts] = taken(intake, sent([request(tag="one more")], first=999))
    assert counts.tag == "other"


def test_a_wrong_mac_takes_as_long_as_a_right_one() -> None:
    """It is compared whole: `mac` of the client and ours agree."""
    [data] = sent([request()], key=KEY)
    head, _, body = data.partition(b"\n")
    assert head == f"hotspare.traffic/1 {mac(KEY, body)}".encode()


def test_the_numbers_of_very_many_senders_are_forgotten() -> None:
    """Memory stays flat."""
    intake = Intake({A: A}, key=None)
    for number in range(5_000):
        intake.take(_body(sender=f"s{number}", rows=[_ROW]), "10.0.0.1", T0 + timedelta(seconds=number))
    assert len(intake._numbers) <= 4_096


def test_applications_report_by_the_names_of_their_region() -> None:
    """Which are those of its routing file; a name of another region is taken as it is."""
    targets = in_regions(settings(Path("/nowhere"), A), ("eu", "us")).targets
    names = reported_names(targets, "us")
    assert names == {A: f"{A}@us", f"{A}@eu": f"{A}@eu", f"{A}@us": f"{A}@us"}
    [counts] = taken(Intake(names, key=None, region="us"), sent([request()]))
    assert (counts.target, counts.route) == (f"{A}@us", "chat@us")
    assert reported_names(settings(Path("/nowhere"), A).targets, "") == {A: A}
