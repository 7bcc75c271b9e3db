"""The table: what the failing provider does to each request, and what must hold then, whoever asks."""

from dataclasses import dataclass
from typing import Final

#: What every healthy answer says.
ANSWER: Final = (
    "A standby earns its keep on the one day when the provider that everybody trusts answers nothing at all, or half "
    "of an answer, or an error that blames the caller; on that day the request goes on to the next, the reader sees "
    "whole sentences, nobody is called, and the provider that fails is left alone until well again."
)
#: By this question an application's request is told from a probe.
QUESTION: Final = "Why does an application keep a standby? In sixty words."
POLICY: Final = "This request was refused by our content policy"
#: In seconds: what everybody who can be told to give up a silent server is told.
TIMEOUT_S: Final = 10.0
_PIECE_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server does with one request; by default it streams the whole answer, one word at a time."""

    status: int = 200
    code: str = ""
    message: str = ""
    retry_after: str | None = None
    answer_after_s: float = 0.0
    """Before it says anything."""
    resets: bool = False
    """It cuts the connection before it says anything."""
    silent: bool = False
    """It says nothing, for ever."""
    first_token_after_s: float = 0.0
    """Between the headers and the first word."""
    words: int | None = None
    """So many words of the answer; None: all."""
    then: str = "done"
    """`done`: the end as it should be; `no_done`: without `[DONE]`; `cut`: the connection ends; `silent`: it stays."""
    broken_event: int | None = None
    """In place of a keep-alive before this word stands an event that is not JSON."""
    piece_s: float = _PIECE_S


WELL: Final = Reply()
_OVERLOADED: Final = Reply(status=503, code="server_is_overloaded", message="The server is overloaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Must:
    """What must hold; counts are of an application's requests, without probes."""

    refused_with: str | None = None
    """Every request must end in an error that says this; None: in the whole answer."""
    failing: tuple[int, int] = (1, 6)
    """How many requests the failing provider may get, at least and at most."""
    healthy: tuple[int, int] = (0, 99)
    first_gap_s: float = 0.0
    """At least so much between its first two requests."""
    within_3_s: int = 99
    """At most so many of them in any 3 s."""
    longest_s: float = 45.0
    """Of any request."""
    model: str | None = None
    """Who answered, as the caller is told: `failing` or `healthy`."""
    usage: bool = False
    """The caller learns how many tokens it was."""
    back_within_s: float | None = None
    """The failing provider is asked again within so many seconds of its recovery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row."""

    name: str
    failing: tuple[Reply, ...]
    """The replies of the first candidate, in order; the last is repeated."""
    must: Must
    well_after_s: float | None = None
    """From so many seconds after the first request on it is well."""
    refuses_prefill: bool = False
    """The healthy provider takes no request whose last message is the assistant's."""
    requests: int = 1
    every_s: float = 0.0
    """From the beginning of one to that of the next; 0: the next follows at once."""
    contexts: tuple[int, int] | None = None
    """How many tokens the two candidates take, where somebody can be told."""
    controlled: bool = False
    """Hotspare's service writes the routing file; otherwise it stands still on the failing candidate."""

    @property
    def waits_for_a_limit(self) -> bool:
        """Whether somebody must give up a silent server first."""
        return any(reply.silent or reply.first_token_after_s or reply.then == "silent" for reply in self.failing)

    @property
    def is_of_streams(self) -> bool:
        """Whether only a stream can fail so."""
        return any(
            reply.first_token_after_s or reply.words or reply.broken_event or reply.then != WELL.then
            for reply in self.failing
        )


FAULTS: Final = (
    Fault(
        name="429 once, Retry-After: 2",
        failing=(Reply(status=429, code="rate_limit_exceeded", message="Rate limit reached", retry_after="2"), WELL),
        must=Must(failing=(2, 2), first_gap_s=1.9),
    ),
    Fault(
        name="429 for ever",
        failing=(Reply(status=429, code="rate_limit_exceeded", message="Rate limit reached"),),
        must=Must(within_3_s=4),
    ),
    Fault(
        name="500 once",
        failing=(Reply(status=500, code="internal_error", message="Internal error"), WELL),
        must=Must(failing=(2, 6)),
    ),
    Fault(name="503 for ever", failing=(_OVERLOADED,), must=Must(within_3_s=4)),
    Fault(name="reset before headers, once", failing=(Reply(resets=True), WELL), must=Must()),
    Fault(name="accepts, never answers", failing=(Reply(silent=True),), must=Must(failing=(1, 1), longest_s=11)),
    Fault(name="first token after 20 s", failing=(Reply(first_token_after_s=20),), must=Must(longest_s=15)),
    Fault(name="stream cut after 40 words", failing=(Reply(words=40, then="cut"),), must=Must()),
    Fault(
        name="stream silent after 20 words",
        failing=(Reply(words=20, then="silent"), WELL),
        must=Must(longest_s=15, failing=(1, 2)),
        requests=2,
    ),
    Fault(name="tenth event is not JSON", failing=(Reply(broken_event=10),), must=Must()),
    Fault(
        name="whole stream without [DONE]",
        failing=(Reply(then="no_done"),),
        must=Must(failing=(1, 1), healthy=(0, 0), longest_s=3, usage=True),
    ),
    Fault(
        name="400, context too long",
        failing=(
            Reply(status=400, code="context_length_exceeded", message="This model's maximum context length is 16000"),
        ),
        must=Must(failing=(1, 1)),
        contexts=(16_000, 200_000),
    ),
    Fault(
        name="400, content policy",
        failing=(Reply(status=400, code="content_policy_violation", message=POLICY),),
        must=Must(refused_with=POLICY, failing=(1, 1), healthy=(0, 0)),
    ),
    Fault(
        name="stream cut, standby refuses prefill",
        failing=(Reply(words=40, then="cut"),),
        must=Must(),
        refuses_prefill=True,
    ),
    Fault(
        name="down for a minute, then well",
        failing=(_OVERLOADED,),
        well_after_s=60,
        must=Must(failing=(1, 99), back_within_s=30),
        requests=20,
        every_s=4,
        controlled=True,
    ),
    Fault(
        name="503 for ever: who answered?",
        failing=(_OVERLOADED,),
        must=Must(model="healthy", usage=True, within_3_s=4),
    ),
)
