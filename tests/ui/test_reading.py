"""What the pages read, without a page."""

from pathlib import Path

import pytest

from tests.support.seeded_database import write_config
from ui import reading


def test_the_configuration_is_read_anew_when_a_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own file, or one whose value it holds; one that is not valid changes nothing until it is mended."""
    config, title = write_config(tmp_path), tmp_path / "title"
    good = config.read_text()
    monkeypatch.setenv("KEY", "k")

    def look() -> tuple[str, int]:
        reading.settings_at.clear()  # so long as a viewer waits for it
        settings = reading.settings_at(str(config))
        return settings.ui.title, id(settings)

    before = look()
    assert look() == before
    title.write_text("first")
    config.write_text(f"{good}ui: {{title: ${{file:{title}}}}}\n")
    first = look()
    assert first[0] == "first"
    look()
    assert look() == look()
    title.write_text("the second")
    assert look()[0] == "the second"
    config.write_text("nonsense: true\n")
    assert look()[0] == "the second"
    title.unlink()
    config.write_text(good)
    assert look()[0] == before[0]
