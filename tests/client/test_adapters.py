"""The client with the real libraries: the tests of `client/tests`, in the environments of `make adapters`."""

import os
import subprocess

import pytest

from tests.support.paths import ROOT

TESTS = {
    "adapters": ["test_sdk_clients", "test_langchain", "test_litellm", "test_openai_agents", "test_pydantic_ai"],
    "instructor": ["test_sdk_clients", "test_instructor"],
}
#: Some of the libraries take ten seconds of CPU to be imported.
PATIENCE_S = 590
#: Nothing is fetched from elsewhere, and nothing told.
SETTINGS = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}
CASES = [(environment, test) for environment, tests in TESTS.items() for test in tests]


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S + 10)
@pytest.mark.parametrize(("environment", "test"), CASES, ids=lambda name: name)
def test_with_the_real_library(environment: str, test: str) -> None:
    """Over sockets, with providers that fail; the examples of the client's README among them."""
    folder = ROOT / f".venv-{environment}"
    if not (folder / ".ready").exists():
        pytest.skip(f"no libraries in .venv-{environment}: run `make adapters`")
    ended = subprocess.run(
        [str(folder / "bin/python"), "-m", "pytest", "-q", "-c", "client/pyproject.toml", f"client/tests/{test}.py"],
        cwd=ROOT,
        env={
            **os.environ,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client/src'}",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]


def test_every_test_is_run() -> None:
    """A file that is in no environment would never fail."""
    assert {path.stem for path in (ROOT / "client/tests").glob("test_*.py")} == {test for _, test in CASES}
