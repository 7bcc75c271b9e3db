"""The taxonomy: every probe ends in exactly one outcome, which says who is at fault and what follows.

======================  ===========  =================================  ==============================
outcome                 blame        for example                        evidence for
======================  ===========  =================================  ==============================
ok                      nobody       the nonce came back in time        up
slow                    provider     answered, past the slow limit      degraded
bad_answer              provider     well-formed, the wrong content     degraded
server_error            provider     500, malformed body, HTML          down
overloaded              provider     503, 529, capacity 429s            down
broken_stream           provider     no terminator, a stall             down
timeout                 undecided    a deadline passed                  down, unless we are blind
unreachable             undecided    DNS, connect, TLS, reset           down, unless we are blind
rate_limited            us           too many requests from us          degraded, when sustained
auth                    us           the key is refused                 misconfigured, when confirmed
quota                   us           no money left                      misconfigured, when confirmed
model_gone              us           no such model                      misconfigured, when confirmed
bad_request             us           the probe drifted from the API     neither up nor down
budget_spent            us           reasoning ate the token budget     neither up nor down
refused                 unclear      content policy                     neither up nor down
======================  ===========  =================================  ==============================
"""

from enum import StrEnum


class Blame(StrEnum):
    """Who is at fault when a probe does not end in `ok`."""

    NOBODY = "nobody"
    PROVIDER = "provider"
    UNDECIDED = "undecided"
    US = "us"
    UNCLEAR = "unclear"


class Effect(StrEnum):
    """What an outcome is evidence for."""

    UP = "up"
    DOWN = "down"
    DEGRADED = "degraded"
    THROTTLED = "throttled"
    MISCONFIGURED = "misconfigured"
    NOTHING = "nothing"


class Outcome(StrEnum):
    """How one probe ended, in one word."""

    OK = "ok"
    SLOW = "slow"
    SERVER_ERROR = "server_error"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN_STREAM = "broken_stream"
    BAD_ANSWER = "bad_answer"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    MODEL_GONE = "model_gone"
    BAD_REQUEST = "bad_request"
    REFUSED = "refused"
    BUDGET_SPENT = "budget_spent"

    @property
    def blame(self) -> Blame:
        """Who is at fault."""
        return _MEANING[self][0]

    @property
    def effect(self) -> Effect:
        """What it is evidence for."""
        return _MEANING[self][1]


_MEANING: dict[Outcome, tuple[Blame, Effect]] = {
    Outcome.OK: (Blame.NOBODY, Effect.UP),
    Outcome.SLOW: (Blame.PROVIDER, Effect.DEGRADED),
    Outcome.BAD_ANSWER: (Blame.PROVIDER, Effect.DEGRADED),
    Outcome.SERVER_ERROR: (Blame.PROVIDER, Effect.DOWN),
    Outcome.OVERLOADED: (Blame.PROVIDER, Effect.DOWN),
    Outcome.BROKEN_STREAM: (Blame.PROVIDER, Effect.DOWN),
    Outcome.TIMEOUT: (Blame.UNDECIDED, Effect.DOWN),
    Outcome.UNREACHABLE: (Blame.UNDECIDED, Effect.DOWN),
    Outcome.RATE_LIMITED: (Blame.US, Effect.THROTTLED),
    Outcome.QUOTA: (Blame.US, Effect.MISCONFIGURED),
    Outcome.AUTH: (Blame.US, Effect.MISCONFIGURED),
    Outcome.MODEL_GONE: (Blame.US, Effect.MISCONFIGURED),
    Outcome.BAD_REQUEST: (Blame.US, Effect.NOTHING),
    Outcome.BUDGET_SPENT: (Blame.US, Effect.NOTHING),
    Outcome.REFUSED: (Blame.UNCLEAR, Effect.NOTHING),
}
