"""Who is asked, and the environment that each needs: our own, or that of the adapters."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Of the libraries beside ours; `make adapters` builds it.
ADAPTERS: Final = Path(".venv-adapters/bin/python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One column."""

    title: str
    runner: str
    """The module."""
    python: Path = Path(sys.executable)
    stream: bool = True
    in_asyncio: bool = False
    follows: bool = False
    """Whether it reads the routing file."""

    @property
    def is_ours(self) -> bool:
        """Whether it is Hotspare's client, which must have all right."""
        return self.runner == "with_hotspare"

    def command(self) -> list[str]:
        """What starts it."""
        return [str(self.python), "-m", f"benchmarks.client_faults.runners.{self.runner}"]


PRODUCTS: Final[Mapping[str, Product]] = {
    "hotspare": Product(title="`attempts`", runner="with_hotspare", follows=True),
    "asyncio": Product(title="in asyncio", runner="with_hotspare", follows=True, in_asyncio=True),
    "plain": Product(title="plain calls", runner="with_hotspare", follows=True, stream=False),
    "pydantic-ai": Product(title="Pydantic AI", runner="with_pydantic_ai", python=ADAPTERS, follows=True),
    "openai-agents": Product(title="OpenAI Agents", runner="with_openai_agents", python=ADAPTERS, follows=True),
    "in-step": Product(title="LiteLLM in step", runner="with_litellm_in_step", python=ADAPTERS, follows=True),
    "openai": Product(title="openai SDK", runner="with_openai"),
    "langchain": Product(title="LangChain", runner="with_langchain", python=ADAPTERS),
    "litellm": Product(title="LiteLLM Router", runner="with_litellm", python=ADAPTERS),
}
