"""What the newest probes of a target said besides how it is: who answered, that it will go, ids for a ticket."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from monitor.detection import notices
from monitor.storage.tables import OBSERVATIONS
from probes.outcome import Outcome

#: So many of the newest observations are looked at, and so many ids are shown.
_LOOKED_AT: Final = 50
_IDS: Final = 3
_ANSWERED: Final = frozenset({Outcome.OK, Outcome.SLOW})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentDetails:
    """What is worth a line beside a target's health; the texts may stem from a provider."""

    notices: tuple[str, ...] = ()
    """Sentences: another model answered the last time, or the model will go."""
    request_ids: tuple[str, ...] = ()
    """Of the newest failures, the newest first: for a ticket to the vendor."""


NOTHING_SAID: Final = RecentDetails()


def read_last_words(connection: Connection, target: str) -> RecentDetails:
    """Reads the newest end of the target's history only; raises what the database raises."""
    key = OBSERVATIONS.c
    newest = (
        select(key.check_, key.outcome, key.request_id, key.model, key.deprecation)
        .where(key.target == target)
        .order_by(key.started_ms.desc())
        .limit(_LOOKED_AT)
    )
    rows = connection.execute(newest).all()
    answered = {row.check_: row for row in reversed(rows) if row.outcome in _ANSWERED}
    said = [notices.sentences(target, row.model, row.deprecation).values() for row in answered.values()]
    failed = [row.request_id for row in rows if row.outcome != Outcome.OK and row.request_id]
    return RecentDetails(
        notices=tuple(dict.fromkeys(text for texts in said for text in texts)),
        request_ids=tuple(dict.fromkeys(failed))[:_IDS],
    )
