"""A log that nobody reads stops nothing."""

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from controller.cli.background_log import BackgroundHandler, DescriptorStream
from tests.support.paths import ROOT


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe; the end to read from first. The other stays open: its number must not become another file's."""
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def logger(pipe: tuple[int, int], *, most_waiting: int) -> tuple[logging.Logger, BackgroundHandler]:
    """One that writes into the pipe."""
    handler = BackgroundHandler(logging.StreamHandler(DescriptorStream(pipe[1])), most_waiting=most_waiting)
    made = logging.Logger("test")
    made.addHandler(handler)
    return made, handler


def read_until(pipe: tuple[int, int], last: str) -> list[str]:
    """The lines that come in up to this one."""
    text = ""
    while last not in text:
        text += os.read(pipe[0], 65_536).decode()
    return text.splitlines()


def test_a_full_pipe_holds_nobody_up(pipe: tuple[int, int]) -> None:
    """What does not fit is counted; all else comes in order once it is read, with the counts."""
    log, handler = logger(pipe, most_waiting=50)
    for number in range(500):
        log.warning("%d %s", number, "x" * 4096)  # 2 MB into a pipe of 64 KiB
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(read_until(pipe, "after")))
    reader.start()
    while not handler.queue.empty():
        time.sleep(0.01)
    log.warning("after")  # now that there is room
    reader.join(30)
    numbers = [int(line.split()[0]) for line in lines if line[0].isdigit()]
    assert numbers == sorted(numbers)
    counted = [int(count) for line in lines for count in re.findall(r"log_lines_left_out lines=(\d+):", line)]
    assert sum(counted) == 500 - len(numbers) > 0
    handler.close()


def test_what_waits_is_written_at_the_end(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, where somebody reads; where nobody does, the end comes all the same."""
    log, handler = logger(pipe, most_waiting=50)
    for number in range(20):
        log.warning("%d", number)
    handler.close()
    assert read_until(pipe, "19") == [str(number) for number in range(20)]
    monkeypatch.setattr(logging, "raiseExceptions", False)  # the pipe is gone before the rest is written
    log, handler = logger(pipe, most_waiting=2)
    for _ in range(100):
        log.warning("x" * 65_536)
    handler.close()


def test_a_pipe_that_does_not_block_gets_all(pipe: tuple[int, int]) -> None:
    """Whoever started us may have set it so."""
    os.set_blocking(pipe[1], False)
    log, handler = logger(pipe, most_waiting=50)
    log.warning("%s", "x" * 200_000)
    log.warning("last")
    assert len(read_until(pipe, "last")[0]) == 200_000
    handler.close()


def test_a_process_ends_though_nobody_reads_its_log(pipe: tuple[int, int]) -> None:
    """However much it still had to say."""
    program = """if True:
        import logging
        from controller.cli.run_log import log_to_stderr
        log_to_stderr()
        for _ in range(1000):
            logging.warning("%s", "x" * 1000)
    """
    subprocess.run([sys.executable, "-c", program], check=True, stderr=pipe[1], cwd=ROOT, timeout=60)
