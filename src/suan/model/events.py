"""What happens: the events that the scheduler is told of, in the order they are applied.

They are journalled, so a field may be added with a default but never renamed or removed.
"""

from dataclasses import dataclass
from typing import TypeAlias

from suan.model.demand import Demand
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.policy import Policy
from suan.model.quota import Limits, Quota, Spent
from suan.model.reservation import Reservation
from suan.model.resources import Resources
from suan.model.spec import Checkpoint, RetryPolicy
from suan.model.units import (
    Duration,
    Instant,
    JobId,
    Money,
    NodeName,
    PoolName,
    QueueName,
    RunId,
    TenantName,
)
from suan.model.value import quick


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that has ended, as far as a later decision rests on it. From ``started_at`` (``None``:
    it never did) it held ``per_task`` in each of ``tasks``: so much service the job has had."""

    pool: PoolName
    ended_at: Instant
    outcome: Outcome
    started_at: Instant | None = None
    tasks: int = 1
    per_task: Resources | None = None


@quick
@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """A job joins the line. ``seq`` orders it; ``attempts`` counts runs it has already had.

    ``after`` names only jobs that had not ended at this moment. ``history`` holds those earlier
    runs that have ended, oldest first: told on taking over, so that retry limits, back-offs and
    pools that refused the job are not forgotten with the leader who saw them. ``command`` stands
    for what the job runs (any text that is equal for equal commands): jobs alike take alike long.
    """

    at: Instant
    job: JobId
    seq: int
    demand: Demand
    queue: QueueName = QueueName("default")
    tenant: TenantName = TenantName("default")
    user: str = ""
    name: str = ""
    priority: int = 0
    retry: RetryPolicy = RetryPolicy()
    after: tuple[tuple[JobId, str], ...] = ()
    time_limit: Duration | None = None
    expected: Duration | None = None
    deadline: Instant | None = None
    attempts: int = 0
    history: tuple[PastRun, ...] = ()
    command: str = ""
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """The user wants a job to end, whatever it is doing. An unknown job is ignored."""

    at: Instant
    job: JobId
    by: str = ""


@dataclass(frozen=True, slots=True)
class PoolObserved:
    """A pool's capacity. ``complete`` replaces all its nodes; otherwise ``nodes`` are the changed
    ones and ``removed`` the gone ones."""

    at: Instant
    offer: Offer
    nodes: tuple[NodeStatus, ...]
    removed: tuple[NodeName, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class PoolLost:
    """A pool does not answer. Its runs are left alone; nothing new goes there until observed."""

    at: Instant
    pool: PoolName
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PoolDrained:
    """An operator drains a pool (no new runs; what runs may end) or takes that back."""

    at: Instant
    pool: PoolName
    drained: bool = True
    by: str = ""


@dataclass(frozen=True, slots=True)
class PoolRemoved:
    """A pool is no longer part of the platform."""

    at: Instant
    pool: PoolName


@dataclass(frozen=True, slots=True)
class RunPlaced:
    """A run that an earlier leader placed and that has not ended: told once, on taking over.

    ``per_task`` is what each task really took, where the job had left the accelerator open, and
    ``since`` when it was started, or else placed (``None``: not known, taken as ``at``).
    ``stopping`` is why it was told to end, if it was, ``makes_room_for`` for whom, and ``keeps``
    the nodes that it goes on with, to be resized; ``hourly`` is what an hour of it costs. It
    ``hurries`` where it began just in time for its job's deadline.
    """

    at: Instant
    run: RunId
    job: JobId
    pool: PoolName
    nodes: tuple[NodeName, ...]
    option: int
    started: bool = False
    per_task: Resources | None = None
    since: Instant | None = None
    stopping: Cause | None = None
    hourly: Money = 0
    hurries: bool = False
    keeps: tuple[NodeName, ...] | None = None
    makes_room_for: JobId | None = None


@dataclass(frozen=True, slots=True)
class RunRemembered:
    """A run that ended before this scheduler was made: told on taking over, so that what was
    used still counts in fair shares, and what was learned of durations is not forgotten.

    ``per_task`` and ``tasks`` are what it held from ``started_at`` to ``ended_at``, and
    ``time_limit`` is its job's (``None``: it had none, or that was not told).
    """

    at: Instant
    queue: QueueName
    tenant: TenantName
    user: str
    name: str
    command: str
    tasks: int
    per_task: Resources
    started_at: Instant
    ended_at: Instant
    cause: Cause
    time_limit: Duration | None = None


@quick
@dataclass(frozen=True, slots=True)
class RunStarted:
    """A pool says that a run's tasks run, and how many they are."""

    at: Instant
    run: RunId
    tasks: int = 1


@quick
@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over and its resources are free. An unknown or already ended run is ignored.

    ``used`` is what it ran and its bill; ``None``: not known, reckoned by what it held since it
    began.
    """

    at: Instant
    run: RunId
    outcome: Outcome
    used: Spent | None = None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """A queue is made or changed. A closed queue starts nothing new. An empty ``discipline``
    leaves it to the policy."""

    at: Instant
    queue: QueueName
    weight: int = 1
    discipline: str = ""
    open: bool = True


@dataclass(frozen=True, slots=True)
class TenantChanged:
    """A tenant's weight beside its siblings is set anew, in whatever queue."""

    at: Instant
    tenant: TenantName
    weight: int = 1


@dataclass(frozen=True, slots=True)
class QuotaChanged:
    """How much a queue may hold at once is set anew; or a tenant and those below it, where
    ``tenant`` names one (``queue`` is empty then). What runs is left alone."""

    at: Instant
    queue: QueueName
    quota: Quota
    tenant: TenantName = TenantName("")


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """How much a user may have is set anew. What runs is left alone. ``spent`` is what he has used
    in the window of budgets, by the hour, if they limit that."""

    at: Instant
    user: str
    limits: Limits
    spent: tuple[Spent, ...] = ()


@dataclass(frozen=True, slots=True)
class ReservationMade:
    """Nodes are kept for a while. What runs on them is left alone."""

    at: Instant
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class ReservationCancelled:
    """A reservation keeps nothing any more. One that is not known is ignored."""

    at: Instant
    name: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """From now on another policy decides. What runs is left alone."""

    at: Instant
    policy: Policy


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing happened but time, up to ``at``."""

    at: Instant


Event: TypeAlias = (
    JobSubmitted
    | JobCancelled
    | PoolObserved
    | PoolLost
    | PoolDrained
    | PoolRemoved
    | RunPlaced
    | RunRemembered
    | RunStarted
    | RunEnded
    | QueueChanged
    | TenantChanged
    | QuotaChanged
    | LimitsChanged
    | ReservationMade
    | ReservationCancelled
    | PolicyChanged
    | TimePassed
)

EVENT_TYPES: tuple[type, ...] = (
    JobSubmitted,
    JobCancelled,
    PoolObserved,
    PoolLost,
    PoolDrained,
    PoolRemoved,
    RunPlaced,
    RunRemembered,
    RunStarted,
    RunEnded,
    QueueChanged,
    TenantChanged,
    QuotaChanged,
    LimitsChanged,
    ReservationMade,
    ReservationCancelled,
    PolicyChanged,
    TimePassed,
)
