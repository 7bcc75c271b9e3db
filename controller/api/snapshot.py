"""One reading of the read model, with what is made of it for the requests that come until the next."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.status.overview import Overview
from controller.status.public_view import public_overview


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """The overview as it was read, and as strangers may see it; answers are made once and kept."""

    overview: Overview
    public: Overview
    _made: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, overview: Overview) -> "Snapshot":
        """The snapshot of a reading."""
        return cls(overview=overview, public=public_overview(overview))

    def view(self, *, sees_all: bool) -> Overview:
        """What one may see."""
        return self.overview if sees_all else self.public

    def answer(self, name: str, make: Callable[[Overview], bytes], *, sees_all: bool) -> bytes:
        """The body of this name, made of the view at the first request for it."""
        key = f"{name}\n{sees_all}"
        if key not in self._made:
            self._made[key] = make(self.view(sees_all=sees_all))
        return self._made[key]


def to_json(document: Mapping[str, Any]) -> bytes:
    """The document; a provider's text may hold lone surrogates, which UTF-8 cannot carry."""
    return (json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n").encode(errors="replace")
