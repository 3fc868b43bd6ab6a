"""A Kubernetes pool whose runs the real Kueue lets go."""

from pathlib import Path

import pytest

from suan.model.errors import PoolRejected
from suan.model.job import Cause
from suan.model.pool import Waits
from suan.pools.kinds import Checked
from tests.conformance.pool.trial import KubernetesKind, Trial
from tests.kubernetes import Line
from tests.waiting import until, until_async


@pytest.fixture
def kind(tmp_path: Path, kueue_cluster: Path) -> KubernetesKind:
    kind = KubernetesKind(tmp_path, kueue_cluster)
    kind.more = "  kueue_queue: line\n  linger_s: 5\n"
    return kind


async def says(trial: Trial, run: str, words: str) -> None:
    """Wait until the pool says so of what keeps a run from starting."""
    assert isinstance(trial.pool, Waits)
    pool = trial.pool

    async def said() -> bool:
        await trial.observe()
        return words in await pool.waits(run)

    await until_async(said, 30, what=f"{run} to be said {words!r}")


async def test_a_gang_is_held_until_there_is_quota_for_the_whole(kind: KubernetesKind) -> None:
    Line(kind.given, kind.namespace, "250m")
    go = kind.directory / "go"
    async with kind.trial() as trial:
        await trial.launch("one-r1", f"until [ -e {go} ]; do sleep 0.1; done", tasks=2)
        await trial.until(lambda: "one-r1" in trial.reports, what="its start")
        await trial.launch("two-r1", "echo $SUAN_TASK_RANK", tasks=2)
        held = "Kueue holds it in queue line: couldn't assign flavors to pod set main: insufficient"
        await says(trial, "two-r1", held)
        assert "two-r1" not in trial.reports
        go.touch()
        assert (await trial.end("one-r1")).cause is Cause.SUCCEEDED
        assert (await trial.end("two-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("two-r1", task=1) == b"1\n"
        assert await trial.pool.waits("two-r1") == ""


async def test_a_held_run_that_is_cancelled_leaves_nothing(kind: KubernetesKind) -> None:
    Line(kind.given, kind.namespace, "50m")

    async def left() -> set[str]:
        found = kind.kubectl("get", "jobs,workloads,secrets,pods", "-o", "name").split()
        return {each.partition("/")[0].partition(".")[0] for each in found}

    async def nothing() -> bool:
        return not await left()

    async with kind.trial() as trial:
        await trial.launch("held-r1", "true", secrets={"TOKEN": "t"})
        await says(trial, "held-r1", "insufficient quota for cpu in flavor")
        assert await left() == {"job", "workload", "secret"}
        await trial.pool.cancel("held-r1", 0)
        assert (await trial.end("held-r1")).cause is Cause.CANCELLED
        await until_async(nothing, 60, what="the end of all of it")


@pytest.mark.parametrize("tasks", [1, 2])
async def test_what_kueue_evicts_is_preempted_and_begins_no_more(
    kind: KubernetesKind, tasks: int
) -> None:
    line = Line(kind.given, kind.namespace, "250m")
    count = kind.directory / "count"
    script = f"echo x >> {count}; sleep 600"
    async with kind.trial() as trial:
        await trial.launch("out-r1", script, tasks=tasks)
        await trial.until(lambda: count.exists() and count.read_text() == "x\n" * tasks, what="it")
        line.stop("HoldAndDrain")
        outcome = await trial.end("out-r1")
        assert outcome.cause is Cause.PREEMPTED
        assert outcome.detail == "Kueue evicted it: The ClusterQueue is stopped"
        await trial.launch("out-r2", "true", tasks=tasks)
        await says(trial, "out-r2", "Kueue holds it in queue line: ")
        line.stop("None")
        assert (await trial.end("out-r2")).cause is Cause.SUCCEEDED
    assert count.read_text() == "x\n" * tasks


async def test_evicted_and_let_go_again_while_no_server_was_there(kind: KubernetesKind) -> None:
    """Then its task is made again, in the same run, and nobody calls it ended before."""
    line = Line(kind.given, kind.namespace, "250m")
    count = kind.directory / "count"
    script = f"echo x >> {count}; until [ $(wc -l < {count}) = 2 ]; do sleep 0.1; done"
    async with kind.trial() as trial:
        await trial.launch("away-r1", script)
        await trial.until(count.exists, what="its start")
    line.stop("HoldAndDrain")
    until(lambda: not kind.kubectl("get", "pods", "-o", "name"), 30, what="the eviction")
    async with kind.trial() as trial:
        await says(trial, "away-r1", "Kueue holds it in queue line: ")
        line.stop("None")
        assert (await trial.end("away-r1")).cause is Cause.SUCCEEDED


async def checked(trial: Trial, words: str) -> None:
    """Wait until a check of the pool says so."""
    assert isinstance(trial.pool, Checked)
    check = trial.pool.check

    async def said() -> bool:
        try:
            return any(words in each for each in await check())
        except PoolRejected as error:
            return words in str(error)

    await until_async(said, 30, what=f"{words!r}")


async def test_a_queue_that_takes_no_jobs_is_told_before_the_first(kind: KubernetesKind) -> None:
    async with kind.trial() as trial:
        await checked(trial, "has no LocalQueue called 'line'")
        line = Line(kind.given, kind.namespace, "1")
        await checked(trial, "Kueue lets each run go, by LocalQueue line")
        line.stop("Hold")
        await checked(trial, "LocalQueue 'line' takes no jobs: ")
