"""Stays with a job until it has ended: shows why it waits, then its output, then its bill."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce

import click

from suan.cli import format as form
from suan.cli.exits import Exit
from suan.cli.explain import shortly
from suan.cli.output import note
from suan.cli.tail import MOST_TASKS, Tail, sinks
from suan.client import retry
from suan.client.calls import LogPart
from suan.client.sync import Client
from suan.model.bill import Bill
from suan.model.errors import SuanError
from suan.model.job import JobState
from suan.model.views import JobDetail

QUIET_S = 2.0  # of waiting, before it is said why
LONGEST_LOOK_S = 0.5


class Attendant:
    """Follows one job through all its runs. ``quiet_stdout`` sends its output to stderr."""

    def __init__(
        self, connect: Callable[[], Client], client: Client, job: str, *, quiet_stdout: bool
    ) -> None:
        self._connect = connect
        self._client = client
        self._job = job
        self._quiet_stdout = quiet_stdout
        self._said = ""

    def stay(self) -> JobDetail:
        """Return when the job has ended and all its output is shown."""
        shown = 0
        while True:
            detail = self._next(shown)
            if detail.job.attempts <= shown:
                return detail
            if shown:
                note(f"suan: job {self._job}: {self._ended(detail, shown)}; attempt {shown + 1}")
            shown += 1
            self._show(detail, shown)

    def _next(self, shown: int) -> JobDetail:
        """Wait for a run that was not shown yet, or for the end."""
        began = time.monotonic()
        pauses = retry.growing(retry.FIRST_LOOK_S, LONGEST_LOOK_S)
        while True:
            detail = self._client.get(self._job)
            if detail.job.attempts > shown or JobState(detail.job.state).final:
                return detail
            if time.monotonic() - began > QUIET_S:
                self._say_why()
            time.sleep(next(pauses))

    @staticmethod
    def _ended(detail: JobDetail, attempt: int) -> str:
        """How an earlier attempt ended."""
        ended = (run for run in detail.runs if run.attempt == attempt)
        said = next((run.detail or run.cause for run in ended), None)
        return f"attempt {attempt} ended: {said}" if said else f"attempt {attempt} ended"

    def _say_why(self) -> None:
        try:
            why = shortly(self._client.explain(self._job))
        except SuanError:
            return  # it is only said for comfort; the look itself tells what is wrong
        if why != self._said:
            self._said = why
            note(f"suan: waiting: {why}")

    def _show(self, detail: JobDetail, attempt: int) -> None:
        runs = (run for run in detail.runs if run.attempt == attempt)
        tasks = next((len(run.nodes) for run in runs), detail.job.num_nodes)
        if tasks > MOST_TASKS:
            note(f"suan: showing tasks 0 to {MOST_TASKS - 1} of {tasks}")
        errors = sys.stderr.buffer
        streams = {"stdout": errors if self._quiet_stdout else sys.stdout.buffer, "stderr": errors}
        outputs = sinks(range(min(tasks, MOST_TASKS)), streams, prefixed=tasks > 1)
        Tail(self._connect, self._job, part=LogPart(attempt=attempt), outputs=outputs).join()


def interrupted(client: Client, jobs: tuple[str, ...]) -> Exit:
    """Ctrl-C: on a terminal ask, otherwise cancel. Gives the code to exit with."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        answer = click.prompt(
            f"\n{form.counted(len(jobs), 'job')}: [c]ancel or [d]etach and let go on",
            type=click.Choice(("c", "d", "cancel", "detach")),
            default="c",
            show_choices=False,
            err=True,
        )
        if answer.startswith("d"):
            note(f"suan: detached; `suan logs -f {jobs[0]}` shows it again")
            return Exit.OK
    for job in jobs:
        client.cancel(job)
    note(f"suan: cancelled {', '.join(jobs)}")
    return Exit.INTERRUPTED


def code_of(detail: JobDetail) -> int:
    """The exit code that a job gives to ``suan run``."""
    if detail.job.state == JobState.SUCCEEDED:
        return Exit.OK
    return detail.job.exit_code or Exit.NO_EXIT_CODE


def told(detail: JobDetail) -> str:
    """How a job ended, where, and its bill, in one line."""
    job = detail.job
    code = f" (exit {job.exit_code})" if job.exit_code else ""
    where = f" in {form.ran(detail)} on {job.pool}" if job.pool and job.started_at else ""
    why = f": {job.detail}" if job.detail and job.state != JobState.SUCCEEDED else ""
    return f"suan: job {job.id} {job.state}{code}{where}{why} · {form.bill_amounts(detail.bill)}"


def told_together(details: Sequence[JobDetail]) -> str:
    """How several jobs ended, and the sum of their bills where it is in one currency."""
    states = Counter(detail.job.state for detail in details)
    ends = ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))
    bills = [detail.bill for detail in details]
    line = f"suan: {form.counted(len(details), 'job')}: {ends}"
    if len({bill.currency for bill in bills}) > 1:
        return line
    return f"{line} · {form.bill_amounts(reduce(Bill.plus, bills))}"
