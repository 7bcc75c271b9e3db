"""Libraries in C that a process loads before all others, and that stand in for functions of the system."""

import shutil
import subprocess
from pathlib import Path


def build_library(source: Path, folder: Path) -> Path:
    """Compile it into the folder; raises FileNotFoundError, for people, where there is no C compiler."""
    compiler = shutil.which("cc")
    if not compiler:
        raise FileNotFoundError("this drill needs a C compiler, cc, which is not installed: apt install gcc libc6-dev")
    library = folder / source.with_suffix(".so").name
    # In a process group of its own: Ctrl-C is for the drill.
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, process_group=0)
    return library
