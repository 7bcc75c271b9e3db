"""A timeline as it grows: what joins it, what has to go when it is full, and how its lines are numbered (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from controller.incidents.incident import REMARKS, TimelineEntry

MAX_TIMELINE = 50
#: So many lines of a timeline may be people's: they are never dropped.
MAX_REMARKS = 20


def joined(before: Sequence[TimelineEntry], lines: Iterable[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """The timeline with these lines, in order of time, nothing twice, at most `MAX_TIMELINE` of them.

    Past that the oldest are kept, the newest (the end is never lost), what people said, and the line that was numbered
    last (so that no number is used again).
    """
    story = sorted(dict.fromkeys((*before, *lines)), key=lambda line: line.at)
    if len(story) <= MAX_TIMELINE:
        return tuple(story)
    last = max(story, key=lambda line: line.number)
    kept = {id(story[-1]), id(last)} | {id(line) for line in story if line.kind in REMARKS}
    spare = MAX_TIMELINE - len(kept)
    for line in story:
        if spare > 0 and id(line) not in kept:
            kept.add(id(line))
            spare -= 1
    return tuple(line for line in story if id(line) in kept)


def numbered(timeline: Sequence[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """The timeline with a number for every line: those that have one keep it."""
    last = max((line.number for line in timeline), default=0)
    found = []
    for line in timeline:
        last += line.number == 0
        found.append(line if line.number else replace(line, number=last))
    return tuple(found)


def remarks(timeline: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """What people said."""
    return [line for line in timeline if line.kind in REMARKS]
