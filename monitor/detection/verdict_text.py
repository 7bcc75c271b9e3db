"""A verdict in the reader's words, and its statistics apart: from the reason that detection stored, old or new (pure).

A reason counts probes, weighs them and quotes the provider. Whoever reads what is wrong wants the share that fails and
the provider's words; the weight stands once, where the evidence is shown.
"""

import re
from typing import Final

_STATISTICS: Final = re.compile(r"; (evidence -?[\d.]+, verdict at -?[\d.]+(?: \(usual [^()]*\))?)")
#: What came last, as the provider said it, after the counts.
_LAST: Final = re.compile(r"\((?P<mix>[^()]*)\)(?P<where>[^;()]*); last: (?P<last>[^;].*)$", re.DOTALL)
_COUNTS: Final = re.compile(
    r"(?:all of (?P<provider>\S+), as )?(?P<failed>\d+) of (?P<probes>\d+) probes(?: asked afresh)? failed"
    r"(?P<where>(?: on \d+ of its \d+ targets)?)"
    r"(?: in (?P<span>[^();:]+?)|, (?P<after>[^();:]+?) after the first failure) "
    r"\((?P<mix>[^()]*)\)(?P<also>(?: on \d+ of its \d+ targets| from \d+ of its \d+ regions)?)"
    r"(?P<checks>(?:, all of them [^;()]*|, of the check [^;()]*)?)"
)
#: What is refused as too many, and that users are hit by it, which the share says as well.
_THROTTLED: Final = re.compile(
    r"(?:\d+ of the last \d+ answers were of no use; )?"
    r"(?P<failed>\d+) of (?P<probes>\d+) probes hit the rate limit in (?P<span>[^();:]+?) \((?P<said>[^()]*)\)"
)
_HALF: Final = (0.4, 0.6)


def plain_reason(text: str) -> str:
    """The reason, or a sentence that quotes one, without statistics, the provider's words beside the counts.

    `x is down: 9 of 14 probes failed in 41 s (server_error); evidence 12.3, verdict at 9.8; last: HTTP 500: no` becomes
    `x is down: fails 64 % of its requests (9 of 14 probes in 41 s; HTTP 500: no)`. Other texts stay as they are.
    """
    text = _STATISTICS.sub("", text)
    if (counts := _COUNTS.search(text)) is None:
        # Slow, wrong and throttled answers.
        text = _LAST.sub(lambda last: f"({_said(last['mix'], last['last'])}){last['where']}", text)
        return _THROTTLED.sub(_throttled_clause, text)
    rest = text[counts.end() :]
    words, rest = (rest.removeprefix("; last: "), "") if rest.startswith("; last: ") else ("", rest)
    return f"{text[: counts.start()]}{_clause(counts, words)}{rest}"


def statistics_of(text: str) -> str:
    """What `plain_reason` leaves out: `evidence 12.3, verdict at 9.8 (usual 0.5 %, looked for 30 %)`; or empty."""
    return "; ".join(_STATISTICS.findall(text))


def _clause(counts: re.Match[str], words: str) -> str:
    failed, probes = int(counts["failed"]), int(counts["probes"])
    where = (counts["where"] or counts["also"]).replace("its ", "")
    span = counts["span"] or counts["after"]
    subject = f"{counts['provider']} " if counts["provider"] else ""
    checks = counts["checks"] or ""
    inside = f"{failed} of {probes} probes{where} in {span}{checks}; {_said(counts['mix'], words)}"
    return f"{subject}fails {_share(failed / probes)} of its requests ({inside})"


def _throttled_clause(counts: re.Match[str]) -> str:
    failed, probes = int(counts["failed"]), int(counts["probes"])
    inside = f"{failed} of {probes} probes in {counts['span']}; {counts['said']}"
    return f"refuses {_share(failed / probes)} of our requests as too many ({inside})"


def _share(share: float) -> str:
    if share >= 1:
        return "all"
    return "half" if _HALF[0] <= share <= _HALF[1] else f"{share:.0%}".replace("%", " %")


def _said(mix: str, words: str) -> str:
    """The provider's words; beside them how the probes failed, where they failed in several ways."""
    if not words:
        return mix
    return f"{mix}; last: {words}" if "," in mix else words
