"""Two providers on sockets, the routing file that names them, and the examples of the README."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.client_faults.faults import QUESTION, WELL, Reply
from benchmarks.client_faults.servers import Provider
from tests.support.routes import FIRST, SECOND, write_route

from hotspare_client import Routing

README = Path(__file__).parents[1] / "README.md"
CLIENT = README.parents[1] / "docs/client.md"
KEYS = {FIRST: "sk-first", SECOND: "sk-second"}


class World:
    """Where an application runs: route `chat` points at `first`, which may fail; `second` is healthy."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "routing.json"
        self.first, self.second = Provider("one"), Provider("two")
        self.dialects = ("openai-chat", "openai-chat")

    def routing(self, *dialects: str, **route: Any) -> Routing:
        """A reader of the file as it is now."""
        self.dialects = dialects or self.dialects
        self.write(**route)
        return Routing(self.path, check_every_s=0)

    def write(self, target: str = FIRST, **route: Any) -> None:
        """Write the file, with the route at `target`."""
        targets = {}
        for name, provider, dialect in zip((FIRST, SECOND), (self.first, self.second), self.dialects, strict=True):
            address = provider.url if dialect.startswith("openai") else provider.url.removesuffix("/v1")
            variable = f"{name.partition('/')[0].upper()}_KEY"
            targets[name] = {"dialect": dialect, "base_url": address, "api_key_env": variable}
        write_route(self.path, target=target, targets=targets, **route)

    def fail(self, *replies: Reply) -> None:
        """From now on the first provider answers so; after the last, as the last."""
        self.first._replies = replies

    def half(self) -> None:
        """An outage of 50 %: every second request fails."""
        self.fail(*[Reply(status=500, code="server_error", message="Internal error"), WELL] * 50)

    def example(self, library: str, **names: Any) -> dict[str, Any]:
        """What the README's example for a library defines, run with the routing file of this world."""
        names.setdefault("question", QUESTION)
        names.setdefault("messages", [{"role": "user", "content": QUESTION}])
        names.setdefault("routing", self.routing())
        code = self.code(README, rf"^### {re.escape(library)}$")
        assert sum(bool(line.strip()) and "import " not in line for line in code.splitlines()) <= 5, "five lines"
        exec(compile(code, library, "exec"), names)
        return names

    def code(self, document: Path, place: str) -> str:
        """The first example after `place`, a regular expression; the routing file is that of this world."""
        found = re.search(rf"(?ms){place}.*?^```python\n(.*?)^```$", document.read_text("utf-8"))
        assert found, place
        return re.sub(r"(?<=Routing\()\"[^\"]*\"", repr(str(self.path)), found[1])


REFUSED_KEY = Reply(status=401, code="invalid_api_key", message="Incorrect API key provided")
CUT = Reply(words=20, then="cut")
CUT_AT_ONCE = Reply(words=0, then="cut")
QUIETLY_CUT = Reply(words=20, then="no_done")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Both providers are well; their keys are in the environment, and so are many that are meant for others."""
    for name, value in {
        "ALPHA_KEY": KEYS[FIRST],
        "BETA_KEY": KEYS[SECOND],
        "OPENAI_API_KEY": "sk-ambient",
        "OPENAI_ORG_ID": "org-ambient",
        "OPENAI_PROJECT_ID": "proj-ambient",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_CUSTOM_HEADERS": "X-Gate: ambient\nauthorization: Bearer ambient",
        "ANTHROPIC_API_KEY": "sk-ant-ambient",
        "ANTHROPIC_AUTH_TOKEN": "ambient",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Gate: ambient\nX-API-Key: ambient\nAuthorization: Bearer ambient",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    here = World(tmp_path)
    yield here
    here.first.close()
    here.second.close()
