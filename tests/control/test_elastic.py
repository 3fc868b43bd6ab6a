"""An elastic job on a real local pool: it makes room, and goes on with what is left."""

from pathlib import Path

import pytest

from suan.model.job import Cause, JobState, Run
from suan.model.policy import Policy
from suan.model.spec import Checkpoint, ResourceOption
from suan.model.units import HOUR, JobId
from tests.control.world import World, made, open_local_pools
from tests.waiting import until_async

FOUR = """\
pools:
  - name: small
    kind: local
    nodes: [{name: n, count: 4, cpus: 1, memory: 1GB}]
    prices: {cpu_hour: 1.5}
"""
WHOLE = (ResourceOption(cpu_milli=1000, memory_mib=64),)
WORK = """
trap 'echo saved-$SUAN_TASK_RANK >> {d}/said; exit 0' USR1
echo "$SUAN_NUM_NODES of $SKYPILOT_NUM_NODES, $(echo "$SKYPILOT_NODE_IPS" | wc -l)" >> {d}/said
while :; do sleep 0.05; done
"""


async def runs_once_said(world: World, job: JobId, said: Path, line: str, count: int) -> list[Run]:
    async def there() -> bool:
        return said.exists() and said.read_text().splitlines().count(line) == count

    await until_async(there, what=f"{count} tasks to say {line!r}")
    return list(await world.runs(job))


@pytest.mark.enable_socket
async def test_it_starts_with_what_there_is_and_makes_room(tmp_path: Path) -> None:
    said = tmp_path / "said"
    async with made(tmp_path, open_local_pools(tmp_path / "home", FOUR)) as world:
        await world.lead(policy=Policy(min_run_time=0))
        job = await world.submit(
            WORK.format(d=tmp_path),
            num_nodes=1,
            max_nodes=8,
            resources=WHOLE,
            checkpoint=Checkpoint("SIGUSR1"),
        )
        (run,) = await runs_once_said(world, job, said, "4 of 4, 4", 4)
        assert (len(run.nodes), (await world.job(job)).nodes) == (4, 4)
        other = await world.submit("sleep 3", num_nodes=2, resources=WHOLE)
        first, second = await runs_once_said(world, job, said, "2 of 2, 2", 2)
        assert first.outcome is not None
        assert first.outcome.cause is Cause.RESIZED
        assert other in first.outcome.detail
        assert set(second.nodes) < set(first.nodes)
        assert (await world.job(job)).nodes == 2
        assert [f"saved-{rank}" in said.read_text() for rank in range(4)] == [True] * 4
        assert first.bill is not None
        lasted = (first.ended_at or 0) - (first.started_at or 0)
        assert abs(first.bill.cpu_ms - 4 * lasted // 1000) <= 4, "each task is billed"
        assert (await world.final(other)).state is JobState.SUCCEEDED
        await world.ask("cancel", job)
        assert (await world.final(job)).state is JobState.CANCELLED
        assert (await world.replay()).identical
        kinds = await world.kinds(job)
    assert kinds.count("run.placed") == 2


@pytest.mark.enable_socket
async def test_it_starts_on_one_node_and_grows(tmp_path: Path) -> None:
    said = tmp_path / "said"
    async with made(tmp_path, open_local_pools(tmp_path / "home", FOUR)) as world:
        await world.lead(policy=Policy(min_run_time=0))
        other = await world.submit("sleep 30", num_nodes=3, resources=WHOLE)
        await world.state(other, JobState.RUNNING)
        job = await world.submit(
            WORK.format(d=tmp_path),
            num_nodes=1,
            max_nodes=4,
            resources=WHOLE,
            expected=HOUR,
            checkpoint=Checkpoint("SIGUSR1"),
        )
        await runs_once_said(world, job, said, "1 of 1, 1", 1)
        await world.ask("cancel", other)
        first, second = await runs_once_said(world, job, said, "4 of 4, 4", 4)
        assert first.outcome is not None
        assert first.outcome.cause is Cause.RESIZED
        assert first.outcome.detail == "it goes on with up to 4 nodes"
        assert (len(first.nodes), len(second.nodes)) == (1, 4)
        assert "saved-0" in said.read_text()
        await world.ask("cancel", job)
        await world.final(job)
        assert (await world.replay()).identical
