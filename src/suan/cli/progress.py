"""What is shown while something takes long: one line on a terminal, nothing elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from suan.cli.format import counted
from suan.client import retry
from suan.client.errors import WaitTimeout
from suan.client.sync import Client
from suan.model.job import JobState
from suan.model.views import JobDetail

_CLEAR = "\r\x1b[K"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows a line in place of the last one, on stderr's terminal."""
    shown = sys.stderr.isatty()

    def show(text: str) -> None:
        if shown:
            sys.stderr.write(_CLEAR + text)
            sys.stderr.flush()

    try:
        yield show
    finally:
        show("")


def wait_for_all(
    client: Client, jobs: Sequence[str], timeout_s: float | None = None
) -> list[JobDetail]:
    """Wait until every job has ended.

    Raises:
        WaitTimeout: they have not, within ``timeout_s``.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    ended: dict[str, JobDetail] = {}
    pauses = retry.growing(retry.FIRST_LOOK_S, retry.LONGEST_LOOK_S)
    with progress() as show:
        while True:
            _look(client, jobs, ended)
            left = len(jobs) - len(ended)
            if not left:
                return [ended[job] for job in jobs]
            show(f"{len(ended):,} of {counted(len(jobs), 'job')} ended")
            if until is not None and time.monotonic() >= until:
                raise WaitTimeout(
                    f"{counted(left, 'job has', 'jobs have')} not ended after {timeout_s:g} s",
                    mend="they go on; `suan queue` shows them",
                )
            time.sleep(next(pauses))


def _look(client: Client, jobs: Sequence[str], ended: dict[str, JobDetail]) -> None:
    """Note what has ended. Jobs end roughly in order, so it stops at some that have not."""
    unfinished = 0
    for job in jobs:
        if job in ended:
            continue
        detail = client.get(job)
        if JobState(detail.job.state).final:
            ended[job] = detail
        else:
            unfinished += 1
            if unfinished >= 8:
                return
