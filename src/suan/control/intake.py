"""From a recorded job to what the scheduler sees of it, and to what a pool needs to start it."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from typing import Generic, TypeVar

from suan.jobfile.environment import Membership, job_environment, sized
from suan.jobfile.patterns import expand_pattern
from suan.jobfile.script import launch_script
from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted, PastRun
from suan.model.job import Job, Run
from suan.model.pool import Launch, Parcel
from suan.model.resources import Resources
from suan.model.spec import DEFAULT_MEMORY_MIB, Forwarded, JobSpec, ResourceOption, content_of
from suan.model.units import Instant, JobId, QueueName, RunId, TenantName

T = TypeVar("T")

DRY_RUN = JobId("dry-run")
LAST_IN_LINE = 2**43  # above every number that a store has given

Dependencies = tuple[tuple[JobId, str], ...]


class OnceForEach(Generic[T]):
    """What is made of the specs of one batch of jobs, once for each: members of an array share
    theirs. A spec is kept, so that its identity stays its own."""

    def __init__(self, make: Callable[[JobSpec], T]) -> None:
        self._make = make
        self._known: dict[int, tuple[JobSpec, T]] = {}

    def of(self, spec: JobSpec) -> T:
        """What was made of a spec."""
        known = self._known.get(id(spec))
        if known is None:
            known = self._known[id(spec)] = (spec, self._make(spec))
        return known[1]


@dataclass(frozen=True, slots=True)
class Needs:
    """What the scheduler sees of a spec, shared by the jobs that have it."""

    demand: Demand
    command: str


def needs_of(spec: JobSpec) -> Needs:
    """A spec's demand and command."""
    return Needs(demand_of(spec), command_of(spec))


def command_of(spec: JobSpec) -> str:
    """Stands for what a job runs: equal for equal scripts, whatever their environment. Scripts
    themselves are not told, for the journal keeps what the scheduler is told."""
    text = f"{spec.setup or ''}\0{spec.run}".encode("utf-8", "surrogatepass")
    return sha256(text).hexdigest()[:16]


def demand_of(spec: JobSpec) -> Demand:
    """What must be free before the job can start."""
    return Demand(
        tasks=spec.num_nodes,
        options=tuple(Option(_per_task(option), option.infra) for option in spec.resources),
        ordered=spec.ordered,
        framework=spec.framework,
        max_hourly_cost=spec.max_hourly_cost,
        max_tasks=spec.max_nodes,
        brings_files=bool(spec.contents),
        reservation=spec.reservation,
    )


def submission_of(
    job: Job,
    after: Dependencies,
    needs: Needs,
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
        demand=needs.demand,
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
        command=needs.command,
        checkpoint=spec.checkpoint,
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
        command=command_of(spec),
        checkpoint=spec.checkpoint,
    )


def launch_of(job: Job, run: Run, secrets: Mapping[str, str], *, platform: str = "") -> Launch:
    """Everything a pool needs to start a run of a job. ``platform`` is this one's id."""
    spec, forwarded = job.spec, job.spec.forwarded
    given = {
        target: source for target, source in spec.file_mounts.items() if content_of(source) is None
    }
    return Launch(
        run=run.id,
        job=job.id,
        name=spec.name,
        nodes=run.nodes,
        per_task=run.per_task,
        script=launch_script(spec),
        setup=spec.setup,
        env=spec.envs if forwarded is not None else _environment(job, run),
        secrets=dict(secrets),
        workdir=None if content_of(spec.workdir) else spec.workdir,
        file_mounts=given,
        memory_limit_mib=spec.resources[run.option].memory_mib,
        time_limit=spec.time_limit,
        stdout=_path(spec.stdout, job),
        stderr=_path(spec.stderr, job),
        parcels=_parcels(spec),
        outputs=tuple(each for each in spec.outputs if "://" not in each),
        image=spec.resources[run.option].image_id,
        checkpoint=spec.checkpoint,
        known_as=RunId(forwarded.run) if forwarded is not None else None,
        path=_way(forwarded, platform),
    )


def _way(forwarded: Forwarded | None, platform: str) -> tuple[str, ...]:
    before = forwarded.path if forwarded is not None else ()
    return (*before, platform) if platform else before


def _environment(job: Job, run: Run) -> dict[str, str]:
    return job_environment(
        sized(job.spec, len(run.nodes)),
        job=job.id,
        run=run.id,
        attempt=run.attempt,
        member=_membership(job),
        user=job.user,
    )


def _parcels(spec: JobSpec) -> tuple[Parcel, ...]:
    """What it brings, the working directory first: mounts are laid over it."""
    sources = (("", spec.workdir), *sorted(spec.file_mounts.items()))
    found = ((target, content_of(source)) for target, source in sources)
    return tuple(
        Parcel(posixpath.normpath(target) if target else "", digest)
        for target, digest in found
        if digest is not None
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
