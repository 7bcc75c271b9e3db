"""Checks of people's own: what to ask, and what a good reply has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from probes.patterns import matches

#: In the texts of a check, where the nonce stands.
NONCE_MARK: Final = "{nonce}"
#: Of a reply; what follows is not looked at, or makes JSON too long to be read.
SEARCHED_CHARS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCheck:
    """One of them; a reply satisfies it when it has all of `contains`, `regex` and `json_schema` that are not None."""

    prompt: str
    """The user message. The nonce is added where the prompt does not have it, so that no cache can answer."""
    contains: str | None = None
    """A text, whatever its case."""
    regex: str | None = None
    """A pattern of RE2's syntax that matches somewhere in the first 20,000 characters."""
    json_schema: Mapping[str, Any] | None = field(default=None, hash=False)
    """The schema of the JSON that the whole reply is, in at most 20,000 characters."""
    max_tokens: int | None = None
    """The token budget, reasoning included; None: as for `structured`."""

    @property
    def usual_tokens(self) -> tuple[int, int]:
        """About the tokens, in and out, of a good probe: four characters each, and as many out as may be."""
        return len(self.prompt) // 4 + 20, self.max_tokens or 100

    def prompt_with(self, nonce: str) -> str:
        """The user message, which contains the nonce."""
        prompt = self.prompt if NONCE_MARK in self.prompt else f"{self.prompt}\n\n(request {NONCE_MARK})"
        return prompt.replace(NONCE_MARK, nonce)

    def find_flaw(self, nonce: str, reply: str) -> str | None:
        """What the reply lacks, in a few words that quote it; None when it satisfies the check."""
        text, shown = reply[:SEARCHED_CHARS], reply[:200]
        wanted = (self.contains or "").replace(NONCE_MARK, nonce)
        if wanted.casefold() not in text.casefold():
            return f"the reply lacks {wanted[:100]!r}: {shown}"
        if self.regex is not None and not matches(self.regex.replace(NONCE_MARK, nonce), text):
            return f"the reply does not match {self.regex[:100]!r}: {shown}"
        return None if self.json_schema is None else _find_json_flaw(self.json_schema, reply)


def _find_json_flaw(schema: Mapping[str, Any], reply: str) -> str | None:
    from probes.json_schema import find_flaw  # noqa: PLC0415 - slow to import, and seldom needed

    too_long = len(reply) > SEARCHED_CHARS
    flaw = f"it has more than {SEARCHED_CHARS:,} characters" if too_long else find_flaw(schema, reply)
    return flaw and f"the reply is not JSON of the schema ({flaw}): {reply[:200]}"
