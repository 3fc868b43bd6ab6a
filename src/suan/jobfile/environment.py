"""The environment of a job, as far as it does not depend on the node.

What does (ranks, addresses, visible devices) is the pool's to add.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from suan.jobfile.slurm.shape import sums
from suan.model.spec import JobSpec


@dataclass(frozen=True, slots=True)
class Membership:
    """Which member of which array a job is. ``indices`` are the whole array's, sorted."""

    array_id: str
    index: int
    params: Mapping[str, str] = field(default_factory=dict)
    indices: tuple[int, ...] = ()


def sized(spec: JobSpec, nodes: int) -> JobSpec:
    """An elastic job's specification, as a run with so many nodes sees it."""
    if spec.max_nodes is None:
        return spec
    envs = spec.envs
    if spec.origin == "sbatch":
        fixed = sums(nodes, envs["SLURM_NTASKS_PER_NODE"], envs["SLURM_CPUS_ON_NODE"])
        envs = {**envs, **fixed}
    return replace(spec, num_nodes=nodes, max_nodes=None, envs=envs)


def job_environment(
    spec: JobSpec,
    *,
    job: str,
    run: str,
    attempt: int = 1,
    member: Membership | None = None,
    user: str = "",
) -> dict[str, str]:
    """Everything a task's environment holds that does not depend on its node, secrets left out;
    of an elastic job's run ``spec`` is the ``sized`` one.

    The user's ``envs`` and a sweep's parameters, then the names that suan, SkyPilot and dstack
    users know, and Slurm's where the job was an ``#SBATCH`` script. Reserved names win.
    """
    env = {**spec.envs, **(member.params if member else {})}
    env.update(_suan(spec, job=job, run=run, attempt=attempt, user=user))
    if member is not None:
        env.update(_suan_array(member))
    env.update(_peers(spec, job=job, run=run))
    if spec.origin == "sbatch":
        env.update(slurm_environment(spec, job=job, attempt=attempt, member=member, user=user))
    return env


def _suan(spec: JobSpec, *, job: str, run: str, attempt: int, user: str) -> dict[str, str]:
    return {
        "SUAN_JOB_ID": job,
        "SUAN_JOB_NAME": spec.name,
        "SUAN_RUN_ID": run,
        "SUAN_ATTEMPT": str(attempt),
        "SUAN_NUM_NODES": str(spec.num_nodes),
        "SUAN_QUEUE": spec.queue,
        "SUAN_TENANT": spec.tenant,
        "SUAN_USER": user,
    }


def _suan_array(member: Membership) -> dict[str, str]:
    env = {"SUAN_ARRAY_ID": member.array_id, "SUAN_ARRAY_INDEX": str(member.index)}
    if member.indices:
        env["SUAN_ARRAY_SIZE"] = str(len(member.indices))
    if member.params:
        env["SUAN_PARAMS"] = json.dumps(dict(member.params), ensure_ascii=False)
    return env


def _peers(spec: JobSpec, *, job: str, run: str) -> dict[str, str]:
    return {
        "SKYPILOT_TASK_ID": run,
        "SKYPILOT_NUM_NODES": str(spec.num_nodes),
        "DSTACK_RUN_NAME": spec.name,
        "DSTACK_RUN_ID": job,
        "DSTACK_NODES_NUM": str(spec.num_nodes),
    }


def slurm_environment(
    spec: JobSpec,
    *,
    job: str,
    attempt: int = 1,
    member: Membership | None = None,
    user: str = "",
) -> dict[str, str]:
    """Slurm's output environment variables (sbatch manual) that do not depend on the node.

    What the script's options fix (``SLURM_NTASKS``, ``SLURM_CPUS_PER_TASK``, …) stands in
    ``spec.envs`` from parsing.
    """
    env = {
        "SLURM_JOB_ID": job,
        "SLURM_JOBID": job,
        "SLURM_JOB_NAME": spec.name,
        "SLURM_JOB_NUM_NODES": str(spec.num_nodes),
        "SLURM_NNODES": str(spec.num_nodes),
        "SLURM_JOB_PARTITION": spec.labels.get("partition", spec.queue),
        "SLURM_JOB_USER": user,
        "SLURM_RESTART_COUNT": str(attempt - 1),
        "SLURM_CLUSTER_NAME": "suan",
    }
    if spec.workdir is not None:
        env["SLURM_SUBMIT_DIR"] = spec.envs.get("SLURM_SUBMIT_DIR", spec.workdir)
    if member is not None:
        env.update(_slurm_array(member))
    return env


def _slurm_array(member: Membership) -> dict[str, str]:
    indices = member.indices or (member.index,)
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    return {
        "SLURM_ARRAY_JOB_ID": member.array_id,
        "SLURM_ARRAY_TASK_ID": str(member.index),
        "SLURM_ARRAY_TASK_COUNT": str(len(indices)),
        "SLURM_ARRAY_TASK_MIN": str(indices[0]),
        "SLURM_ARRAY_TASK_MAX": str(indices[-1]),
        "SLURM_ARRAY_TASK_STEP": str(step),
    }
