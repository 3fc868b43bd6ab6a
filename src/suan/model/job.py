"""Jobs and runs: their states, and what is recorded of them."""

from dataclasses import dataclass, field
from enum import StrEnum

from suan.model.bill import Bill
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.units import Instant, JobId, NodeName, PoolName, RunId


class JobState(StrEnum):
    """Where a job stands. The last four are final."""

    PENDING = "pending"  # in line, or waiting for other jobs, or between two runs
    RUNNING = "running"  # a run of it is recorded and has not ended
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # a job it waits for ended in a way that it can never start

    @property
    def final(self) -> bool:
        return self not in (JobState.PENDING, JobState.RUNNING)


JOB_TRANSITIONS: dict[JobState, tuple[JobState, ...]] = {
    JobState.PENDING: (JobState.RUNNING, JobState.CANCELLED, JobState.SKIPPED, JobState.FAILED),
    JobState.RUNNING: (
        JobState.PENDING,
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
    ),
    JobState.SUCCEEDED: (),
    JobState.FAILED: (),
    JobState.CANCELLED: (),
    JobState.SKIPPED: (),
}


class RunState(StrEnum):
    """Where a run stands."""

    PLACED = "placed"  # recorded; its pool may or may not have heard of it
    STARTED = "started"  # its pool says that its tasks run
    ENDED = "ended"


RUN_TRANSITIONS: dict[RunState, tuple[RunState, ...]] = {
    RunState.PLACED: (RunState.STARTED, RunState.ENDED),
    RunState.STARTED: (RunState.ENDED,),
    RunState.ENDED: (),
}


class Cause(StrEnum):
    """Why a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # a task exited non-zero or by a signal of its own
    TIMED_OUT = "timed_out"  # its time limit passed
    OUT_OF_MEMORY = "out_of_memory"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    LOST = "lost"  # its node, or the process that kept it, went away
    REJECTED = "rejected"  # the pool refused it for good; it never started
    UNLAUNCHED = "unlaunched"  # the pool did not answer, and never heard of it
    RESIZED = "resized"  # its job goes on with another number of nodes


SAVING = frozenset({Cause.PREEMPTED, Cause.RESIZED})
"""Ends before which a run is given time to save its work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``exit_code`` is the first failing task's, 128 + N for signal N."""

    cause: Cause
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stopping:
    """How a run is to end, once that was decided; its pool knows not why.

    It ``makes_room_for`` that job, if for one; to be resized, it goes on with the nodes that it
    ``keeps``, one for each task.
    """

    cause: Cause
    detail: str = ""
    keeps: tuple[NodeName, ...] | None = None
    makes_room_for: JobId | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a job in one pool, as recorded."""

    id: RunId
    job: JobId
    attempt: int
    pool: PoolName
    nodes: tuple[NodeName, ...]  # one for each task; a node may stand several times
    per_task: Resources
    state: RunState
    placed_at: Instant
    started_at: Instant | None = None
    ended_at: Instant | None = None
    ref: str | None = None  # what the pool calls it, once launched
    outcome: Outcome | None = None
    option: int = 0  # which of the job's resource options was taken
    reasons: tuple[str, ...] = ()  # why here: the sum, and what the other pools said
    bill: Bill | None = None
    stop: Stopping | None = None
    hurries: bool = False  # it began just in time for its job's deadline


@dataclass(frozen=True, slots=True)
class Job:
    """A job as recorded. ``spec`` is shared by the members of an array, and has empty values for
    its secrets: ``Store.secrets`` reads them."""

    id: JobId
    seq: int  # the order of submission, over the whole store
    spec: JobSpec
    user: str
    state: JobState
    submitted_at: Instant
    array_id: JobId | None = None
    array_index: int | None = None
    params: dict[str, str] = field(default_factory=dict)  # of a sweep's member
    after: tuple[tuple[JobId, str], ...] = ()  # resolved: job, condition
    attempts: int = 0
    cancel_requested: bool = False
    started_at: Instant | None = None
    ended_at: Instant | None = None
    pool: PoolName | None = None  # of the current or last run
    nodes: int | None = None  # how many that has
    exit_code: int | None = None
    detail: str = ""  # why it ended so, in words
