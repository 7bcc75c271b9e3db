"""The taxonomy: every probe ends in exactly one outcome, which says who is at fault and what it is evidence for.

Faults of the provider, and those that nobody can place, count against it; our own and unclear ones never do. The causes
of each outcome are in docs/outcomes.md.
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
    effect: Effect

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


#: Answers that users could use.
ANSWERED = frozenset({Outcome.OK, Outcome.SLOW})
#: Our own fault, or nobody can say: such an outcome tells nothing about the provider's availability.
EXCLUDED = frozenset(outcome for outcome in Outcome if outcome.blame in {Blame.US, Blame.UNCLEAR})
