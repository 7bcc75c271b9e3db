"""What a route requires of its candidates, and what a model is said to have."""

from dataclasses import dataclass
from typing import Annotated, Final

from monitor.config.section import Key, Section
from monitor.config.values import items, text, tokens
from probes.pricing import known_context
from probes.target import Target

LARGEST_CONTEXT: Final = 1_000_000_000
_WORD: Final = r"[a-z0-9][a-z0-9_-]*"
CAPABILITIES: Final = items(text("a word such as tools", pattern=_WORD), "a list such as [tools, vision]").then(
    frozenset
)
REGION: Final = text("a word such as eu", pattern=_WORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements(Section):
    """What every candidate of a route must have."""

    capabilities: Annotated[frozenset[str], CAPABILITIES, Key(default_text="none")] = frozenset()
    """Each candidate's `capabilities` must have these, else the configuration is refused. Change it when a standby
    may lack what the application asks."""
    context: Annotated[int | None, tokens(LARGEST_CONTEXT), Key(default_text="none")] = None
    """Each candidate must take requests of so many tokens: `100k`."""
    region: Annotated[str | None, REGION, Key(default_text="none")] = None
    """Each candidate's `region` must be this."""

    def lacks(self, target: Target) -> str | None:
        """What the target lacks, as a sentence; None where it has everything."""
        if missing := sorted(self.capabilities - target.capabilities):
            return f"{target.id} lacks {', '.join(missing)}, which the route requires: see its capabilities"
        if self.region and target.location != self.region:
            found = f"is in {target.location}" if target.location else "names no region"
            return f"{target.id} {found}, and the route requires {self.region}: see its region"
        takes = known_context(target) if self.context else None
        if self.context and (takes is None or takes < self.context):
            found = f"takes {takes:,} tokens" if takes else "is not known for a context"
            return f"{target.id} {found}, and the route requires {self.context:,}: see its context"
        return None
