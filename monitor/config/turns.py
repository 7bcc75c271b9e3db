"""In which order the checks of a target take turns, so that dear ones are asked seldom."""

from collections.abc import Mapping

from probes.target import Check

#: More would make a round last for days.
HEAVIEST = 100


def turns(weights: Mapping[Check, int]) -> tuple[Check, ...]:
    """One round: each check as often as it weighs, spread as evenly as can be.

    Smooth weighted round-robin: `{chat: 3, stream: 1}` is asked as chat, chat, stream, chat.
    """
    credit = dict.fromkeys(weights, 0)
    whole = sum(weights.values())
    order = []
    for _ in range(whole):
        for check, weight in weights.items():
            credit[check] += weight
        due = max(credit, key=lambda check: credit[check])
        credit[due] -= whole
        order.append(due)
    return tuple(order)
