"""The check `context`: whether a model takes a request of the size that users send, asked seldom because it costs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from probes.custom_check import NONCE_MARK, CustomCheck

#: Its name, where those of other checks stand.
CONTEXT: Final = "context"
#: Words that are one token each for the tokenizers in use; with the space before it, a word has four characters.
_WORDS: Final = "the sun was hot and the old dog ran far but the cat sat and ate her own red hen for fun "
_QUESTION: Final = (
    f"The first line holds a word: {NONCE_MARK}\n\n",
    "\n\nReply with exactly the word that the first line holds.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextCheck:
    """How large the request is, and how it is asked."""

    tokens: int
    """About the size of the request: tokenizers differ by a tenth."""
    every_s: float = 6 * 3600.0
    timeout_s: float = 60.0
    """The deadline of the whole answer; none is slow before."""

    @property
    def task(self) -> CustomCheck:
        """What is asked: the word of the first line, so that no cache can answer, after all the text."""
        return _task(self.tokens)


@lru_cache(maxsize=8)
def _task(tokens: int) -> CustomCheck:
    begin, end = _QUESTION
    length = max(0, 4 * tokens - len(begin) - len(end))
    text = _WORDS * (length // len(_WORDS) + 1)
    return CustomCheck(prompt=f"{begin}{text[:length]}{end}", contains=NONCE_MARK)
