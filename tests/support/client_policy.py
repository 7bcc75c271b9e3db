"""Targets as the clients know them, and what follows a failure at the first of them."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from hotspare_client import Target
from hotspare_client.failure import Failure
from hotspare_client.policy import Situation, Step, choose_next


def up_target(id: str, **fields: Any) -> Target:  # noqa: A002 - the name of the field
    """A target that is `up`."""
    known = {
        "provider": id,
        "model": "m",
        "dialect": "openai-chat",
        "base_url": "https://x.example/v1",
        "api_key_env": None,
        "health": "up",
        "route": "chat",
        "reason": "",
        "since": datetime(2026, 11, 21, tzinfo=UTC),
    }
    return Target(id=id, **{**known, **fields})


def follow(
    failure: Failure,
    candidates: tuple[Target, ...],
    *,
    failing: Collection[str] = (),
    may_repeat: bool = True,
    **changes: Any,
) -> Step | None:
    """What follows a first failure at the first candidate; `changes` say what is unlike the usual situation."""
    situation = Situation(
        **{
            "pick": candidates[0],
            "candidates": candidates,
            "failed": candidates[0],
            "tried": {candidates[0].id},
            "was_repeated": False,
            "failed_elsewhere": False,
            "has_begun": False,
            "left_s": 30.0,
            "wait_s": 3.0,
            "stateful": False,
            **changes,
        }
    )
    return choose_next(
        failure, situation, is_failing=failing.__contains__, may_repeat=lambda: may_repeat, draw=lambda: 0.5
    )
