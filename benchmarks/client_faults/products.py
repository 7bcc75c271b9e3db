"""Who is asked, and the environment that each needs: our own, or one made in `var/` from a pinned list."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

REQUIREMENTS: Final = Path(__file__).parent / "requirements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One column."""

    title: str
    runner: str
    """The module."""
    requirements: str | None = None
    """The list of packages of its environment; None: ours."""
    stream: bool = True
    in_asyncio: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is Hotspare's client."""
        return self.runner == "with_hotspare"

    def command(self) -> list[str]:
        """What starts it; installs its environment where that is missing."""
        return [str(self._python()), "-m", f"benchmarks.client_faults.runners.{self.runner}"]

    def _python(self) -> Path:
        if self.requirements is None:
            return Path(sys.executable)
        pinned = REQUIREMENTS / self.requirements
        folder = Path("var") / f"client-faults-{pinned.stem}-{sha256(pinned.read_bytes()).hexdigest()[:12]}"
        python, ready = folder / "bin" / "python", folder / "ready"
        if not ready.exists():
            print(f"installing {pinned.name} into {folder} ...", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            subprocess.run([*pip, "--require-hashes", "-r", str(pinned)], check=True)
            ready.touch()
        return python


PRODUCTS: Final[Mapping[str, Product]] = {
    "hotspare": Product(title="`attempts`", runner="with_hotspare"),
    "asyncio": Product(title="in asyncio", runner="with_hotspare", in_asyncio=True),
    "plain": Product(title="plain calls", runner="with_hotspare", stream=False),
    "openai": Product(title="openai SDK", runner="with_openai"),
    "langchain": Product(title="LangChain", runner="with_langchain", requirements="langchain.txt"),
    "litellm": Product(title="LiteLLM Router", runner="with_litellm", requirements="litellm.txt"),
}
