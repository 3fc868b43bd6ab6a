"""Slurm's own time limits, preemption, requeues and switches, on a cluster that has them: told as
such."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from suan.model.job import Cause
from suan.model.resources import Resources
from tests.conformance.pool.trial import SlurmKind, Trial
from tests.slurm import command, down, up
from tests.waiting import until

PREEMPTING = (
    "PreemptType=preempt/partition_prio",
    "PreemptMode=REQUEUE",
    "PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=CANCEL State=UP",
    "PartitionName=back Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE State=UP",
    "PartitionName=high Nodes=ALL PriorityTier=10 State=UP",
    "TopologyPlugin=topology/tree",
)
TREE = "SwitchName=leaf1 Nodes=c1-n1\nSwitchName=spine Switches=leaf1\n"
WHOLE = Resources(64_000, 1024)


@pytest.fixture(scope="module")
def preempting(slurm_clusters: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """A cluster of one node, in which a partition displaces the others."""
    assert slurm_clusters  # Slurm can be had
    directory = Path(tempfile.mkdtemp(prefix="suan-slurm-"))
    (directory / "c1").mkdir()
    (directory / "c1" / "topology.conf").write_text(TREE)
    lines = [word for line in PREEMPTING for word in ("-o", line)]
    try:
        yield up(directory, "-c", "1", "-n", "1", *lines)
    finally:
        down(directory)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def kind(tmp_path: Path, preempting: dict[str, Path]) -> Iterator[SlurmKind]:
    kind = SlurmKind(tmp_path, preempting)
    kind.more = "  partition: low\n"
    yield kind
    command(kind.conf, "scancel", "--user", "root")
    until(lambda: command(kind.conf, "squeue", "-h") == "", 60, what="an empty queue")


async def begun(trial: Trial, kind: SlurmKind, run: str) -> str:
    """Launch a run that takes the whole node and goes on for long; its Slurm job."""
    count = kind.directory / "count"
    script = f"echo x >> {count}; echo ready; sleep 600"
    await trial.launch(run, script, per_task=WHOLE)
    await trial.output_holds(run, b"ready")
    return command(kind.conf, "squeue", "-h", f"--name={run}", "-o", "%A").strip()


def displace(kind: SlurmKind) -> None:
    """Somebody else's job, in the partition that comes first."""
    command(kind.conf, "sbatch", "-p", "high", "-c", "64", "-o", "/dev/null", "--wrap", "sleep 1")


async def test_where_a_node_stands_is_told_by_its_switches(kind: SlurmKind) -> None:
    async with kind.trial() as trial:
        (node,) = (await trial.pool.observe(None)).nodes or ()
        assert node.rack == "spine/leaf1"


async def test_slurms_own_time_limit(kind: SlurmKind) -> None:
    async with kind.trial() as trial:
        job = await begun(trial, kind, "tim-r1")
        command(kind.conf, "scontrol", "update", f"jobid={job}", "endtime=now+1")
        outcome = await trial.end("tim-r1", patience=90)
        assert outcome.cause is Cause.TIMED_OUT
        assert "its time limit there passed" in outcome.detail


@pytest.mark.parametrize("partition", ["low", "back"])
async def test_displaced_by_a_partition_that_comes_first(kind: SlurmKind, partition: str) -> None:
    kind.more = f"  partition: {partition}\n"
    async with kind.trial() as trial:
        await begun(trial, kind, "pre-r1")
        displace(kind)
        outcome = await trial.end("pre-r1", patience=60)
        assert outcome.cause is Cause.PREEMPTED
        assert "preempted" in outcome.detail
    assert (kind.directory / "count").read_text() == "x\n"


async def test_displaced_and_requeued_it_is_not_run_again_by_slurm(kind: SlurmKind) -> None:
    """``--requeue`` by the site's options: suan places the job anew, and Slurm must not."""
    kind.more = "  partition: back\n  sbatch_options: [--requeue]\n"
    async with kind.trial() as trial:
        await begun(trial, kind, "req-r1")
        displace(kind)
        outcome = await trial.end("req-r1", patience=60)
        assert outcome.cause in (Cause.PREEMPTED, Cause.LOST)
        until(
            lambda: command(kind.conf, "squeue", "-h", "--name=req-r1") == "",
            60,
            what="the end of its job",
        )
    assert (kind.directory / "count").read_text() == "x\n"
