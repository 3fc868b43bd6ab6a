"""Exactly once: repeated and concurrent launches, servers that come and go, many runs."""

import asyncio
import os

import pytest

from suan.model.errors import PoolOutcomeUnknown
from suan.model.job import Cause
from suan.model.units import RunId
from tests.conformance.pool.trial import Kind, Trial


async def test_repeated_launches_start_one_run(trial: Trial) -> None:
    count = trial.directory / "count"
    script = f"echo x >> {count}"
    refs = {await trial.launch("once-r1", script) for _ in range(3)}
    await trial.end("once-r1")
    refs.add(await trial.launch("once-r1", script))
    assert len(refs) == 1
    await trial.observe()
    assert count.read_text() == "x\n"


async def test_concurrent_launches_by_several_servers_start_one_run(kind: Kind) -> None:
    count = kind.directory / "count"
    async with kind.trial() as one, kind.trial() as two, kind.trial() as three:
        for number in range(kind.few):
            run = f"conc{number}-r1"
            launches = [
                each.launch(run, f"echo {run} >> {count}")
                for each in (one, two, three)
                for _ in range(3)
            ]
            assert set(await asyncio.gather(*launches)) == {run}
        for number in range(kind.few):
            assert (await three.end(f"conc{number}-r1")).cause is Cause.SUCCEEDED
    assert sorted(count.read_text().split()) == sorted(f"conc{n}-r1" for n in range(kind.few))


async def test_find_knows_what_was_launched_and_nothing_else(trial: Trial) -> None:
    assert await trial.pool.find(RunId("none-r1")) is None
    ref = await trial.launch("some-r1", "true")
    assert await trial.pool.find(RunId("some-r1")) == ref
    await trial.end("some-r1")
    assert await trial.pool.find(RunId("some-r1")) == ref


async def test_who_asked_in_vain_may_launch(trial: Trial) -> None:
    assert await trial.pool.find(RunId("late-r1")) is None
    await trial.launch("late-r1", "true")
    assert (await trial.end("late-r1")).cause is Cause.SUCCEEDED


async def test_after_another_server_asked_in_vain_a_launch_must_ask_first(kind: Kind) -> None:
    """The old server still lives, and wakes up after its successor settled the run."""
    mark = kind.directory / "ran"
    async with kind.trial() as old, kind.trial() as new:
        assert await new.pool.find(RunId("fence-r1")) is None
        with pytest.raises(PoolOutcomeUnknown):
            await old.launch("fence-r1", f"touch {mark}")
        assert not mark.exists()
        await new.launch("fence-r1", f"touch {mark}")
        assert (await new.end("fence-r1")).cause is Cause.SUCCEEDED


async def test_runs_go_on_without_a_server_and_are_adopted(kind: Kind) -> None:
    fifo = kind.directory / "fifo"
    os.mkfifo(fifo)
    async with kind.trial() as before:
        await before.launch("adopt-r1", f"cat {fifo}; exit 5")
        await before.launch("adopt-r2", "exit 6")
    async with kind.trial() as after:
        await after.until(lambda: "adopt-r2" in after.ends, what="the end of adopt-r2")
        assert "adopt-r1" not in after.ends  # it may not even have begun
        fifo.write_text("went on\n")
        assert (await after.end("adopt-r1")).exit_code == 5
        assert await after.output("adopt-r1") == b"went on\n"
        outcome = after.reports["adopt-r2"].outcome
        assert outcome is not None
        assert outcome.exit_code == 6


async def test_nonsense_cursor_gives_everything(trial: Trial) -> None:
    await trial.launch("cur-r1", "true")
    await trial.end("cur-r1")
    for cursor in ("", "x", "1:2:3", "0:0", f"{trial.cursor}9999"):
        observation = await trial.pool.observe(cursor)
        assert [report.run for report in observation.reports] == ["cur-r1"]
        assert observation.nodes is not None


async def test_many_runs_at_once(kind: Kind, trial: Trial) -> None:
    runs = [f"many{number}-r1" for number in range(kind.many)]
    script = 'echo "$SUAN_RUN_ID"; exit $(( $(echo "$SUAN_RUN_ID" | tr -dc 0-9) % 2 ))'
    await asyncio.gather(*(trial.launch(run, script) for run in runs))
    await trial.until(lambda: len(trial.ends) == kind.many, what="all ends", patience=300)
    for run in runs:
        outcome = trial.reports[run].outcome
        assert outcome is not None
        assert outcome.exit_code == int(run.removeprefix("many").removesuffix("-r1") + "1") % 2
        assert await trial.output(run) == f"{run}\n".encode()
