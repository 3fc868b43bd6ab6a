"""What the store must be able to do, as narrow protocols.

Every method is asynchronous, takes ``now`` where time matters, and raises only ``StoreError``s.
A returned write is durable. Jobs are added by any process; only the leader changes them
afterwards, through ``Ledger.record``, which is fenced by its lease.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from suan.model.events import Event
from suan.model.job import Cause, Job, JobState, Run
from suan.model.peer import ForwardedRun, Mirrored, PeerOffer
from suan.model.pool import Usage
from suan.model.quota import Amounts, Limits, Quota, Spent, Tenant
from suan.model.reservation import Reservation
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.units import Duration, Instant, JobId, RunId


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be added. Members of one array share one ``spec`` object."""

    id: JobId
    spec: JobSpec  # with its secrets
    array_id: JobId | None = None
    array_index: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    after: tuple[tuple[JobId, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """Jobs added together, all or none.

    With ``key`` a repeated submission returns the first one's jobs; the same key with another
    ``fingerprint`` (a hash of the request) is a ``StoreConflict``.
    """

    jobs: tuple[NewJob, ...]
    user: str
    key: str | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The ids of a submission, and whether an earlier one with the same key had made them."""

    jobs: tuple[JobId, ...]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; ``None`` means any."""

    states: tuple[JobState, ...] = ()
    queue: str | None = None
    user: str | None = None
    tenant: str | None = None
    name: str | None = None
    array_id: JobId | None = None
    label: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and the cursor of the next page (``None`` at the end)."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Command:
    """A request to the leader: ``cancel`` (target: a job; ``args`` may have the ``signal`` and the
    ``grace`` in microseconds with which a run of it is stopped), ``drain`` or ``undrain`` (a pool),
    ``set_queue`` (a queue, with ``weight``, ``discipline`` and ``open`` in ``args``, and with
    ``guarantee``, ``ceiling`` and ``cohort`` if its quota is set), ``set_tenant`` (a tenant, with
    ``weight``, and with the same if its quota is set), ``set_limits`` (a user, with
    each of his limits), ``reserve`` (a reservation, with the rest of it in ``args``),
    ``unreserve``."""

    kind: str
    target: str
    by: str = ""
    args: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One thing that happened, for people and programs that watch. ``id`` orders them."""

    id: int
    at: Instant
    kind: str  # "job.submitted", "run.started", … each in docs/reference/events.md
    job: JobId | None
    run: RunId | None
    data: dict[str, str] = field(default_factory=dict)


class Jobs(Protocol):
    """What any process may do with jobs."""

    async def submit(self, submission: Submission, now: Instant) -> Submitted: ...

    async def get(self, job: JobId) -> Job | None: ...

    async def list(self, where: JobFilter, cursor: str | None, limit: int) -> JobPage: ...

    async def runs(self, jobs: Sequence[JobId]) -> tuple[Run, ...]:
        """The runs of some jobs, by job and attempt."""
        ...

    async def run(self, run: RunId) -> Run | None: ...

    async def secrets(self, job: Job) -> Mapping[str, str]:
        """The values of a job's secrets, which its spec only names."""
        ...

    async def counts(self, where: JobFilter) -> Mapping[JobState, int]: ...

    async def contents_needed(self) -> frozenset[str]:
        """The digests of what unfinished jobs bring (``JobSpec.contents``)."""
        ...

    async def request(self, command: Command, now: Instant) -> int:
        """Leave a command for the leader; returns its number."""
        ...

    async def request_all(self, commands: Sequence[Command], now: Instant) -> None:
        """Leave several commands for the leader, in order: all of them or none."""
        ...

    async def feed(self, after: int, limit: int) -> tuple[FeedEntry, ...]:
        """Entries with an id above ``after``, oldest first; ``after`` of -1 gives the newest."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to lead, until ``expires_at``. ``token`` grows with every new holder."""

    holder: str
    token: int
    url: str
    expires_at: Instant


class Leases(Protocol):
    """Who leads."""

    async def acquire(self, holder: str, url: str, now: Instant, ttl: Duration) -> Lease | None:
        """Take the lease if it is free or expired, or renew one's own; ``None`` if it is held."""
        ...

    async def renew(self, lease: Lease, now: Instant, ttl: Duration) -> Lease:
        """Extend it.

        Raises:
            LeaseLost: another holder has it.
        """
        ...

    async def release(self, lease: Lease) -> None: ...

    async def current(self) -> Lease | None: ...


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A job's changed columns: the whole mutable part."""

    id: JobId
    state: JobState
    attempts: int
    started_at: Instant | None = None
    ended_at: Instant | None = None
    pool: str | None = None
    exit_code: int | None = None
    detail: str = ""
    nodes: int | None = None  # of the current or last run


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One cycle: a term's first entry (``kind`` "term") rebuilds the scheduler from nothing."""

    number: int
    kind: str  # "term" or "cycle"
    token: int
    now: Instant
    events: tuple[Event, ...]
    limit: int  # of decisions, as given to decide
    digest: str  # of the plan; "" for an entry after which nothing was decided


@dataclass(frozen=True, slots=True)
class Cycle:
    """Everything one cycle changes: applied whole or not at all."""

    entries: tuple[JournalEntry, ...]
    jobs: tuple[JobUpdate, ...] = ()
    runs: tuple[Run, ...] = ()  # new, or changed
    usages: dict[RunId, Usage] = field(default_factory=dict)  # of runs that ended, where measured
    feed: tuple[FeedEntry, ...] = ()  # ids are given by the store
    taken_jobs: tuple[JobId, ...] = ()
    taken_commands: tuple[int, ...] = ()
    drained_pools: dict[str, bool] = field(default_factory=dict)
    queues: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    quotas: dict[str, Quota] = field(default_factory=dict)  # by queue; an empty one is none
    tenant_weights: dict[str, int] = field(default_factory=dict)  # one of 1 is none
    tenant_quotas: dict[str, Quota] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)  # by user; so here
    reservations: dict[str, Reservation | None] = field(default_factory=dict)  # None: it goes


@dataclass(frozen=True, slots=True)
class Gathered:
    """New jobs in the order of submission, and commands in the order of arrival. ``spent`` is what
    the users have used whose limits some command sets, as far back as is kept."""

    jobs: tuple[Job, ...]
    commands: tuple[tuple[int, Command], ...]
    spent: Mapping[str, tuple[Spent, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that started and has ended, as far as shares and durations rest on it."""

    run: RunId
    spec: JobSpec  # of its job, with its secrets' names alone
    user: str
    tasks: int
    per_task: Resources
    started_at: Instant
    ended_at: Instant
    cause: Cause


class Ledger(Protocol):
    """What the leader alone does."""

    async def gather(self, limit: int) -> Gathered:
        """The oldest jobs and commands that no recorded cycle has taken."""
        ...

    async def record(self, cycle: Cycle, lease: Lease) -> None:
        """Record a cycle, durably.

        Raises:
            LeaseLost: the lease's token is no longer the newest; nothing was recorded.
        """
        ...

    async def unfinished_jobs(self, after_seq: int, limit: int) -> tuple[Job, ...]:
        """Taken jobs that are not in a final state, in order of ``seq``."""
        ...

    async def open_runs(self) -> tuple[Run, ...]:
        """Runs that have not ended, by placing time and id."""
        ...

    async def ended_cutoff(self, most: int, since: Instant) -> Instant:
        """The earliest moment, not before ``since``, after which at most ``most`` runs ended."""
        ...

    async def ended_runs(
        self, since: Instant, after: tuple[Instant, RunId] | None, limit: int
    ) -> tuple[EndedRun, ...]:
        """Runs that ended after ``since``, by when they did, then id; ``after`` is the last of the
        page before. A run that never started is none of them, nor is the last one of a job that
        still counts as running: what follows from its end is not decided yet."""
        ...

    async def drained_pools(self) -> tuple[str, ...]: ...

    async def queues(self) -> Mapping[str, tuple[int, str, bool]]: ...

    async def quotas(self) -> Mapping[str, Quota]:
        """By queue, those that limit anything."""
        ...

    async def tenants(self) -> Mapping[str, Tenant]:
        """Those of whom anything was set."""
        ...

    async def reservations(self) -> Mapping[str, Reservation]:
        """By name, those that were made and not cancelled; some may be over."""
        ...

    async def limits(self) -> Mapping[str, Limits]:
        """By user, those that limit anything."""
        ...

    async def spent(self, users: Sequence[str], since: Instant) -> Mapping[str, tuple[Spent, ...]]:
        """What some users have used since an instant, by the hour in which their runs ended, the
        oldest first; those who have used nothing are left out."""
        ...

    async def forget_spent(self, before: Instant) -> None:
        """Drop what was used in hours that were over before an instant."""
        ...

    async def held(self, queues: Sequence[str]) -> Mapping[str, Amounts]:
        """What the open runs of some queues hold, by queue and kind."""
        ...

    async def held_by_tenants(self, tenants: Sequence[str]) -> Mapping[str, tuple[int, Amounts]]:
        """How many open runs some tenants have with those below them, and what these hold."""
        ...

    async def job_states(self, jobs: Sequence[JobId]) -> Mapping[JobId, JobState]: ...


class Journal(Protocol):
    """The journal, for replay."""

    async def entries(self, after: int, limit: int) -> tuple[JournalEntry, ...]: ...

    async def last(self) -> int:
        """The newest entry's number; 0 for an empty journal."""
        ...

    async def prune(self, before: Instant) -> int:
        """Drop whole terms that ended before ``before``; returns the number of entries."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as kept: its secret is stored only as a hash."""

    id: str
    name: str
    scope: str  # viewer, submitter, operator, admin; or peer
    user: str
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None


class Tokens(Protocol):
    """Access tokens."""

    async def create(self, token: Token, digest: bytes) -> None: ...

    async def find(self, digest: bytes) -> Token | None: ...

    async def key(self, token_id: str) -> tuple[Token, bytes] | None:
        """A token by its id, with the digest of its secret."""
        ...

    async def list(self) -> tuple[Token, ...]: ...

    async def revoke(self, token_id: str, now: Instant) -> bool: ...


class Peers(Protocol):
    """What is offered to peers and forwarded by them. Any process may use it."""

    async def platform(self) -> str:
        """The id of this platform, made once with its store."""
        ...

    async def offers(self) -> tuple[PeerOffer, ...]:
        """All that stand, by peer and pool."""
        ...

    async def offer(self, offer: PeerOffer) -> None:
        """Make an offer, or change the one to that peer of that pool."""
        ...

    async def withdraw(self, peer: str, pool: str) -> bool:
        """Take an offer back; whether there was one."""
        ...

    async def forward(
        self, run: ForwardedRun, submission: Submission, now: Instant
    ) -> ForwardedRun:
        """Make a peer's run a job, once; what is known of it then. Its ``job`` is ``None`` if its
        ``turn`` was over, and nothing was done.

        Raises:
            OverPendingLimit: the peer would have more jobs waiting than it may.
        """
        ...

    async def seek(self, run: ForwardedRun) -> ForwardedRun:
        """What is known of a peer's run. If it is no job, its next turn has begun: no launch of an
        earlier one will make it one."""
        ...

    async def end(self, run: ForwardedRun, command: Command, now: Instant) -> ForwardedRun:
        """Note who wants a run to end (``ending``), and ask the leader if it is a job already; one
        that is launched later is cancelled at once. ``command`` is for its job."""
        ...

    async def mirrored(
        self, peer: str, pool: str, *, after: int | None, since: Instant
    ) -> tuple[int, tuple[Mirrored, ...]]:
        """The newest event's id, and the forwarded runs of whose jobs events tell after the id
        ``after``; for ``None`` all that have not ended, or ended after ``since``."""
        ...

    async def one(self, peer: str, run: RunId) -> Mirrored | None:
        """A forwarded run that is a job."""
        ...

    async def open(self, peer: str, pool: str) -> tuple[ForwardedRun, ...]:
        """The forwarded runs whose jobs have not ended, by id."""
        ...


class Store(Jobs, Leases, Ledger, Journal, Protocol):
    """One engine, whole. ``tokens`` and ``peers`` stand apart because names overlap."""

    @property
    def tokens(self) -> Tokens: ...

    @property
    def peers(self) -> Peers: ...

    @property
    def engine_name(self) -> str:
        """ "sqlite" or "postgresql"."""
        ...

    async def close(self) -> None: ...
