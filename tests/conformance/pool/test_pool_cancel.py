"""Cancelling: the whole process tree, with and without grace, at any moment."""

import asyncio
import os

import pytest

from suan.model.job import Cause
from suan.model.units import MINUTE, SECOND
from tests.conformance.pool.trial import Kind, Trial
from tests.waiting import until

# leaves its session twice over, ignores every signal it can, and clears its environment
ESCAPE = """"$SUAN_PYTHON" - TOKEN <<'EOF'
import os, signal, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        program = "import time; print('escaped', flush=True); time.sleep(600)"
        os.execve(sys.executable, [sys.executable, "-c", program, sys.argv[1]], {})
    os._exit(0)
os.wait()
EOF
"""


async def escaped(trial: Trial, run: str, then: str) -> str:
    """Launch a run of which something escapes; its reference, once that has happened."""
    ref = await trial.launch(run, ESCAPE.replace("TOKEN", trial.token) + then)
    await trial.output_holds(run, b"escaped")
    assert trial.running()
    return ref


async def test_grace_lets_a_run_clean_up(trial: Trial) -> None:
    script = "trap 'echo saved; exit 0' TERM; echo ready; sleep 600"
    ref = await trial.launch("can-r1", script, tasks=2)
    for task in (0, 1):
        await trial.output_holds("can-r1", b"ready", task=task)
    await trial.pool.cancel(ref, MINUTE)
    outcome = await trial.end("can-r1")
    assert outcome.cause is Cause.CANCELLED
    assert await trial.output("can-r1", task=0) == b"ready\nsaved\n"
    assert await trial.output("can-r1", task=1) == b"ready\nsaved\n"


async def test_stubborn_processes_are_killed_after_the_grace(trial: Trial) -> None:
    program = "import time; print('ready', flush=True); time.sleep(600)"
    script = f"""trap '' TERM; exec "$SUAN_PYTHON" -c "{program}" {trial.token}"""
    ref = await trial.launch("can-r2", script)
    await trial.output_holds("can-r2", b"ready")
    await trial.pool.cancel(ref, SECOND // 5)
    outcome = await trial.end("can-r2", patience=10)
    assert (outcome.cause, outcome.signal) == (Cause.CANCELLED, 9)
    assert not trial.running()


async def test_no_grace_kills_at_once(trial: Trial) -> None:
    ref = await trial.launch("can-r3", "trap 'echo no' TERM; echo ready; sleep 600 & wait")
    await trial.output_holds("can-r3", b"ready")
    await trial.pool.cancel(ref, 0)
    assert (await trial.end("can-r3", patience=10)).cause is Cause.CANCELLED
    assert await trial.output("can-r3") == b"ready\n"


async def test_less_grace_later_is_heard(trial: Trial) -> None:
    ref = await trial.launch("can-r4", "trap '' TERM; echo ready; while true; do sleep 1; done")
    await trial.output_holds("can-r4", b"ready")
    await trial.pool.cancel(ref, 10 * MINUTE)
    await trial.pool.cancel(ref, 0)
    assert (await trial.end("can-r4", patience=10)).cause is Cause.CANCELLED


async def test_absent_and_ended_are_success(trial: Trial) -> None:
    await trial.pool.cancel("never-r1", 0)
    await trial.pool.cancel("../nonsense", 0)
    ref = await trial.launch("can-r5", "true")
    await trial.end("can-r5")
    await trial.pool.cancel(ref, 0)
    await trial.observe()
    outcome = trial.reports["can-r5"].outcome
    assert outcome is not None
    assert outcome.cause is Cause.SUCCEEDED


async def test_cancelled_before_its_launch_it_never_starts(trial: Trial) -> None:
    mark = trial.directory / "ran"
    await trial.pool.cancel("can-r6", 0)
    await trial.launch("can-r6", f"touch {mark}")
    assert (await trial.end("can-r6")).cause is Cause.CANCELLED
    assert not mark.exists()


@pytest.mark.parametrize("grace", [0, SECOND])
async def test_cancel_racing_with_the_launch(kind: Kind, trial: Trial, grace: int) -> None:
    """Whichever comes first, the run ends soon, and as cancelled."""
    runs = [f"race{number}-r1" for number in range(kind.few)]

    async def both(run: str) -> None:
        launching = asyncio.create_task(trial.launch(run, "sleep 600"))
        await asyncio.sleep(0)
        await trial.pool.cancel(run, grace)
        await launching

    await asyncio.gather(*map(both, runs))
    for run in runs:
        assert (await trial.end(run)).cause is Cause.CANCELLED


async def test_what_escapes_its_session_is_killed_on_cancel(trial: Trial) -> None:
    ref = await escaped(trial, "esc-r1", "sleep 600")
    await trial.pool.cancel(ref, SECOND // 5)
    await trial.end("esc-r1")
    await asyncio.to_thread(until, lambda: not trial.running(), what="the end of what escaped")


async def test_what_escapes_does_not_outlive_a_run_that_ends_by_itself(trial: Trial) -> None:
    mark = trial.directory / "go"
    os.mkfifo(mark)
    await escaped(trial, "esc-r2", f"cat {mark}")
    mark.write_text("")
    assert (await trial.end("esc-r2")).cause is Cause.SUCCEEDED
    await asyncio.to_thread(until, lambda: not trial.running(), what="the end of what escaped")


async def test_cancel_reaches_a_run_launched_by_an_earlier_server(kind: Kind) -> None:
    async with kind.trial() as before:
        ref = await before.launch("old-r1", "echo ready; sleep 600")
        await before.output_holds("old-r1", b"ready")
    async with kind.trial() as after:
        await after.pool.cancel(ref, 0)
        assert (await after.end("old-r1")).cause is Cause.CANCELLED
