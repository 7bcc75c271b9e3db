"""A target that fails more often than is allowed for is warned of by `check` and `plan`, and shown by `status`."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from controller.cli.main import main
from monitor.clock import utc_now
from monitor.detection import target_state
from monitor.detection.background import BackgroundRate
from monitor.detection.blip_lengths import NO_PERIODS, BlipLengths, FailingPeriod
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.target_state import TargetState
from monitor.health import Health, TargetHealth
from monitor.storage.database import open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from tests.support.builders import T0
from tests.support.configurations import ENVIRON, write

TARGET = "openai/gpt-6-luna"
WARNING = f"{TARGET} fails more than 5% of its probes in quiet times"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration without a database."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return str(write(tmp_path, database=f"sqlite:///{tmp_path}/h.db", routing_file=f"{tmp_path}/r.json"))


def _learn(config: str, failures: float, periods: BlipLengths = NO_PERIODS) -> None:
    background = BackgroundRate(failures=failures, probes=2_000)
    state = TargetState(target=TARGET, since=T0, down=EvidenceTrack(background=background), periods=periods)
    health = TargetHealth(target=TARGET, health=Health.UP, since=T0, reason="")
    engine = open_writer(f"sqlite:///{Path(config).parent}/h.db")
    Store(engine).save_states([SavedTargetState(health=health, at=T0, record=target_state.to_json(state))], ())
    engine.dispose()


@pytest.mark.parametrize(("failures", "warned"), [(160.0, True), (20.0, False), (None, False)])
def test_a_noisy_target_is_warned_of(
    config: str, capsys: pytest.CaptureFixture[str], *, failures: float | None, warned: bool
) -> None:
    """As long as it is so; without a database there is nothing to say."""
    if failures is not None:
        _learn(config, failures)
    assert main(["check", "--offline", "-c", config]) == 0
    assert (f"warning: {WARNING}" in capsys.readouterr().err) is warned
    if failures is not None:
        main(["status", "--verbose", "-c", config])
        assert (WARNING in " ".join(capsys.readouterr().out.split())) is warned
        main(["status", "--json", "-c", config])
        assert json.loads(capsys.readouterr().out)["targets"]


@pytest.mark.slow
def test_learned_blips_are_shown(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By `plan` and `status`, for people and as JSON, as long as they are remembered."""
    ended = tuple(FailingPeriod(ended_at=utc_now() - timedelta(days=day), length_s=40.0) for day in (1, 2, 3))
    _learn(config, 5.0, BlipLengths(ended=ended))
    said = f"blips of {TARGET} last up to 50 s, as was learned"
    main(["plan", "--seeds", "1", "-c", config])
    assert said in " ".join(capsys.readouterr().out.split())
    main(["status", "--verbose", "-c", config])
    assert said in " ".join(capsys.readouterr().out.split())
    main(["status", "--json", "-c", config])
    assert {target["learned_blip_s"] for target in json.loads(capsys.readouterr().out)["targets"]} >= {50.0}
