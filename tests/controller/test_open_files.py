"""The files that this process may have open, and who has how many of them."""

import subprocess
import sys

from controller.open_files import most_connections, most_probes

RAISED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 900))
from controller.open_files import raise_open_files
print(raise_open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_limit_is_raised_as_far_as_it_can_be() -> None:
    """Without privileges, that is the hard limit."""
    raised = subprocess.run([sys.executable, "-c", RAISED], check=True, capture_output=True, text=True)
    assert raised.stdout.split() == ["900", "900", "900"]


def test_probes_and_connections_share_what_there_is() -> None:
    """Together they never take more than all, each has half where files are few, and some in any case."""
    files = (32, 256, 1024, 4096, 65_536)
    assert [most_connections(each) for each in files] == [16, 96, 480, 2016, 12_000]
    assert [most_probes(each) for each in files] == [16, 48, 240, 1008, 26_736]
