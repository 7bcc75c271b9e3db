"""Twelve hours of a random storm, read back as people read it: never silent, nothing false, nothing twice."""

from pathlib import Path

import pytest

from controller.demo.fake_slack import FakeSlack
from tests.support.storm import blow, silent


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_people_are_told_of_everything_once_and_truly(tmp_path: Path, seed: int) -> None:
    """Each new failure makes a new message within its bound; nothing is false against the journal, nothing doubled."""
    with FakeSlack() as slack:
        service, reader = blow(tmp_path, slack, seed)
        try:
            assert [*reader.wrong, *silent(service, reader)] == []
            assert len(service.journal.incidents(1000)) >= 10, "it was a storm"
            assert reader.checked > 100, "what messages say could be read"
            assert reader.stuck_since, "routes had nowhere to go"
        finally:
            service.close()
