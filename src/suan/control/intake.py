"""From a recorded job to what the scheduler sees of it, and to what a pool needs to start it."""

from collections.abc import Mapping
from math import prod

from suan.jobfile.environment import Membership, job_environment
from suan.jobfile.patterns import expand_pattern
from suan.jobfile.script import launch_script
from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted, PastRun
from suan.model.job import Job, Run
from suan.model.pool import Launch
from suan.model.resources import Resources
from suan.model.spec import DEFAULT_MEMORY_MIB, JobSpec, ResourceOption
from suan.model.units import Instant, JobId, QueueName, TenantName

DRY_RUN = JobId("dry-run")
LAST_IN_LINE = 2**43  # above every number that a store has given

Dependencies = tuple[tuple[JobId, str], ...]


class Demands:
    """Demands of one batch of jobs. Members of an array share a spec, and so their demand."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[JobSpec, Demand]] = {}

    def of(self, spec: JobSpec) -> Demand:
        """A spec's demand. The spec is kept, so that its identity stays its own."""
        known = self._known.get(id(spec))
        if known is None:
            known = self._known[id(spec)] = (spec, demand_of(spec))
        return known[1]


def demand_of(spec: JobSpec) -> Demand:
    """What must be free before the job can start."""
    return Demand(
        tasks=spec.num_nodes,
        options=tuple(Option(_per_task(option), option.infra) for option in spec.resources),
        ordered=spec.ordered,
        framework=spec.framework,
        max_hourly_cost=spec.max_hourly_cost,
    )


def submission_of(
    job: Job,
    after: Dependencies,
    demand: Demand,
    *,
    attempts: int = 0,
    history: tuple[PastRun, ...] = (),
) -> JobSubmitted:
    """The event that puts a job in line. ``after`` holds its open dependencies alone."""
    spec = job.spec
    return JobSubmitted(
        at=job.submitted_at,
        job=job.id,
        seq=job.seq,
        demand=demand,
        queue=QueueName(spec.queue),
        tenant=TenantName(spec.tenant),
        user=job.user,
        name=spec.name,
        priority=spec.priority,
        retry=spec.retry,
        after=after,
        time_limit=spec.time_limit,
        expected=spec.expected,
        deadline=spec.deadline,
        attempts=attempts,
        history=history,
    )


def hypothesis_of(spec: JobSpec, user: str, *, now: Instant) -> JobSubmitted:
    """The same for a job that only might be submitted. Its dependencies are taken as met."""
    return JobSubmitted(
        at=now,
        job=DRY_RUN,
        seq=LAST_IN_LINE,
        demand=demand_of(spec),
        queue=QueueName(spec.queue),
        tenant=TenantName(spec.tenant),
        user=user,
        name=spec.name,
        priority=spec.priority,
        time_limit=spec.time_limit,
        expected=spec.expected,
        deadline=spec.deadline,
    )


def launch_of(job: Job, run: Run, secrets: Mapping[str, str]) -> Launch:
    """Everything a pool needs to start a run of a job."""
    spec = job.spec
    env = job_environment(
        spec,
        job=job.id,
        run=run.id,
        attempt=run.attempt,
        member=_membership(job),
        user=job.user,
    )
    return Launch(
        run=run.id,
        job=job.id,
        name=spec.name,
        nodes=run.nodes,
        per_task=run.per_task,
        script=launch_script(spec),
        setup=spec.setup,
        env=env,
        secrets=dict(secrets),
        workdir=spec.workdir,
        file_mounts=spec.file_mounts,
        memory_limit_mib=spec.resources[run.option].memory_mib,
        time_limit=spec.time_limit,
        stdout=_path(spec.stdout, job),
        stderr=_path(spec.stderr, job),
    )


def _per_task(option: ResourceOption) -> Resources:
    memory = option.memory_mib
    return Resources(
        cpu_milli=option.cpu_milli,
        memory_mib=DEFAULT_MEMORY_MIB if memory is None else memory,
        accelerators=tuple(sorted(option.accelerators.items())),
    )


def _membership(job: Job) -> Membership | None:
    if job.array_id is None or job.array_index is None:
        return None
    spec = job.spec
    indices = spec.array or tuple(range(prod(len(values) for values in spec.sweep.values())))
    return Membership(job.array_id, job.array_index, job.params, indices)


def _path(pattern: str | None, job: Job) -> str | None:
    if pattern is None:
        return None
    return expand_pattern(
        pattern, job=job.id, name=job.spec.name, array_id=job.array_id, index=job.array_index
    )
