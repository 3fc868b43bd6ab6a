"""The scheduler: events in, plans out."""

from suan.core.cycle import Cycle
from suan.core.events import APPLY
from suan.core.explaining import consider, explain
from suan.core.forking import fork
from suan.core.state import State
from suan.core.views import (
    OpenRun,
    QueueCounts,
    job_state,
    open_run,
    outlasting,
    pool_status,
    queue_counts,
)
from suan.model.errors import InvariantViolation
from suan.model.events import Event, JobSubmitted
from suan.model.job import JobState
from suan.model.live import PoolStatus
from suan.model.plan import Explanation, Plan
from suan.model.units import Instant, JobId, NodeName, PoolName, RunId

DECISIONS_A_CYCLE = 1000


class Scheduler:
    """A deterministic state machine: the same calls in give the same plans out, byte for byte.

    It reads no clock and knows nothing but what it is told. Not safe for use by two threads at
    once; use ``fork`` to look ahead.
    """

    __slots__ = ("_state",)

    def __init__(self, state: State | None = None) -> None:
        self._state = State() if state is None else state

    def apply(self, event: Event) -> None:
        """Take note of what has happened.

        Raises:
            InvariantViolation: the event contradicts what was told before; nothing has changed.
        """
        handler = APPLY.get(type(event))
        if handler is None:
            raise InvariantViolation(f"not an event: {event!r}")
        handler(self._state, event)

    def decide(self, now: Instant, limit: int = DECISIONS_A_CYCLE) -> Plan:
        """Decide what follows from what has happened, and take it as done.

        The plan is committed: placed jobs have left the line and their capacity is taken. Whoever
        cannot carry a decision out says so with an event (``RunEnded`` with cause ``LOST`` or
        ``REJECTED``). At most ``limit`` decisions; ``Plan.more`` says that others wait.
        """
        return Cycle(self._state, now, limit).run()

    def explain(self, job: JobId, now: Instant) -> Explanation | None:
        """Why an unfinished job is where it is; ``None`` for a job that is not known or ended.

        Takes a step for each contest and each pool, and for ``ahead`` one for each job in line.
        """
        found = self._state.jobs.get(job)
        return None if found is None else explain(self._state, found, now)

    def consider(self, event: JobSubmitted, now: Instant) -> Explanation:
        """What ``explain`` would say of a job if it were submitted now. Changes nothing that a
        decision rests on, and costs no more than ``explain``."""
        return consider(self._state, event, now)

    def fork(self) -> "Scheduler":
        """A scheduler of its own in the same state, for dry runs and what-if."""
        return Scheduler(fork(self._state))

    def pools(self) -> tuple[PoolStatus, ...]:
        """Every pool that was heard of, by name: nodes, totals, what is free, runs."""
        pools = self._state.capacity.pools
        return tuple(pool_status(pools[name]) for name in sorted(pools))

    def pool(self, name: PoolName) -> PoolStatus | None:
        """One pool; ``None`` if it was never heard of."""
        found = self._state.capacity.pools.get(name)
        return None if found is None else pool_status(found)

    def outlasting(self, pool: PoolName, at: Instant) -> dict[NodeName, tuple[RunId, ...]]:
        """The open runs of a pool that are not sure to have ended at an instant, by node."""
        return outlasting(self._state, pool, at)

    def queues(self) -> tuple[QueueCounts, ...]:
        """Every queue that was made or used, by name."""
        return queue_counts(self._state)

    @property
    def pending(self) -> int:
        """Unfinished jobs that have no open run."""
        return len(self._state.jobs) - len(self._state.runs)

    @property
    def running(self) -> int:
        """Open runs."""
        return len(self._state.runs)

    def job_state(self, job: JobId) -> JobState | None:
        """Pending or running; ``None`` for a job that has ended or was never told."""
        return job_state(self._state, job)

    def run(self, run: RunId) -> OpenRun | None:
        """An open run; ``None`` for one that has ended or was never told."""
        return open_run(self._state, run)
