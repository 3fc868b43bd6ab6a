"""Preempting: the job's own signal, time to save, and then the end."""

from collections.abc import AsyncIterator

import pytest

from suan.model.job import Cause
from suan.model.pool import Preempt
from suan.model.units import MINUTE, SECOND
from tests.conformance.pool.trial import Kind, Trial

FOREVER = "echo ready; while true; do sleep 0.1; done"
SAVES = "trap 'echo saved > {mark}; echo saved; exit 0' USR1; " + FOREVER


@pytest.fixture
async def trial(kind: Kind) -> AsyncIterator[Trial]:
    async with kind.trial() as trial:
        if not isinstance(trial.pool, Preempt):
            pytest.skip("this kind of pool sends no signals of a job's own")
        yield trial


async def preempt(trial: Trial, ref: str, grace: int, signal: str = "SIGUSR1") -> None:
    assert isinstance(trial.pool, Preempt)
    await trial.pool.preempt(ref, signal=signal, grace=grace)


async def test_a_job_saves_on_its_own_signal_and_ends(trial: Trial) -> None:
    mark = trial.directory / "checkpoint"
    ref = await trial.launch("pre-r1", SAVES.format(mark=mark), tasks=2)
    for task in (0, 1):
        await trial.output_holds("pre-r1", b"ready", task=task)
    await preempt(trial, ref, MINUTE)
    await preempt(trial, ref, MINUTE)  # asked again, as after a lost answer
    assert (await trial.end("pre-r1")).cause is Cause.CANCELLED
    assert mark.read_text() == "saved\n"
    for task in (0, 1):
        assert await trial.output("pre-r1", task=task) == b"ready\nsaved\n"


async def test_every_process_of_the_job_gets_it(trial: Trial) -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGUSR2, lambda *_: sys.exit(print('saved')))"
    )
    program += "; print('ready', flush=True); signal.pause()"
    script = f'"$SUAN_PYTHON" -c "{program}"; echo not reached'
    ref = await trial.launch("pre-r2", script)
    await trial.output_holds("pre-r2", b"ready")
    await preempt(trial, ref, MINUTE, "SIGUSR2")
    outcome = await trial.end("pre-r2")
    assert outcome.cause is Cause.CANCELLED
    assert await trial.output("pre-r2") == b"ready\nsaved\n"


async def test_what_saves_and_goes_on_is_killed_after_the_grace(trial: Trial) -> None:
    script = "trap 'echo saved' USR1; echo ready; while true; do sleep 0.1; done"
    ref = await trial.launch("pre-r3", script)
    await trial.output_holds("pre-r3", b"ready")
    await preempt(trial, ref, SECOND // 5)
    outcome = await trial.end("pre-r3", patience=10)
    assert (outcome.cause, outcome.signal) == (Cause.CANCELLED, 9)


async def test_a_cancel_does_not_wait_for_the_grace(trial: Trial) -> None:
    script = (
        "trap '' USR1; trap 'echo off; exit 3' TERM; echo ready; while true; do sleep 0.05; done"
    )
    ref = await trial.launch("pre-r4", script)
    await trial.output_holds("pre-r4", b"ready")
    await preempt(trial, ref, 100 * MINUTE)
    await trial.pool.cancel(ref, MINUTE)
    outcome = await trial.end("pre-r4")
    assert (outcome.cause, outcome.exit_code) == (Cause.CANCELLED, 3)
    assert await trial.output("pre-r4") == b"ready\noff\n"


async def test_what_had_ended_keeps_its_own_outcome(trial: Trial) -> None:
    await preempt(trial, "never-r1", 0)
    ref = await trial.launch("pre-r5", "exit 7")
    assert (await trial.end("pre-r5")).exit_code == 7
    await preempt(trial, ref, MINUTE)
    await trial.observe()
    outcome = trial.reports["pre-r5"].outcome
    assert outcome is not None
    assert outcome.cause is Cause.FAILED


async def test_preempted_before_its_launch_it_never_starts(trial: Trial) -> None:
    mark = trial.directory / "ran"
    await preempt(trial, "pre-r6", MINUTE)
    await trial.launch("pre-r6", f"touch {mark}")
    assert (await trial.end("pre-r6")).cause is Cause.CANCELLED
    assert not mark.exists()
