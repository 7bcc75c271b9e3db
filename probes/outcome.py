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
    """How one probe ended."""

    blame: Blame
    """Who is at fault."""
    effect: Effect
    """What it is evidence for."""

    def __new__(cls, name: str, blame: Blame = Blame.UNCLEAR, effect: Effect = Effect.NOTHING) -> "Outcome":
        """A member, whose value is its name; by that alone, `Outcome(name)` finds it."""
        member = str.__new__(cls, name)
        member._value_, member.blame, member.effect = name, blame, effect
        return member

    OK = "ok", Blame.NOBODY, Effect.UP
    SLOW = "slow", Blame.PROVIDER, Effect.DEGRADED
    SERVER_ERROR = "server_error", Blame.PROVIDER, Effect.DOWN
    OVERLOADED = "overloaded", Blame.PROVIDER, Effect.DOWN
    TIMEOUT = "timeout", Blame.UNDECIDED, Effect.DOWN
    UNREACHABLE = "unreachable", Blame.UNDECIDED, Effect.DOWN
    BROKEN_STREAM = "broken_stream", Blame.PROVIDER, Effect.DOWN
    BAD_ANSWER = "bad_answer", Blame.PROVIDER, Effect.DEGRADED
    RATE_LIMITED = "rate_limited", Blame.US, Effect.THROTTLED
    QUOTA = "quota", Blame.US, Effect.MISCONFIGURED
    AUTH = "auth", Blame.US, Effect.MISCONFIGURED
    MODEL_GONE = "model_gone", Blame.US, Effect.MISCONFIGURED
    BAD_REQUEST = "bad_request", Blame.US, Effect.NOTHING
    REFUSED = "refused", Blame.UNCLEAR, Effect.NOTHING
    BUDGET_SPENT = "budget_spent", Blame.US, Effect.NOTHING
