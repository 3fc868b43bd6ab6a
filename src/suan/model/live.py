"""What the API asks of the live loop in its own process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from suan.model.job import Run
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Explanation
from suan.model.pool import LogChunk, OutputFile
from suan.model.reservation import Reservation, ReservationAsked
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.units import Instant, JobId, PoolName, RunId


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A pool as the leader sees it now. ``detail`` says what is wrong when not ``available``.

    ``circuit`` is ``closed`` while it is trusted with new work, ``open`` while it gets none, and
    ``half_open`` while it is tried on one node; ``doubts`` is what it said that cannot be true,
    each with since when.
    """

    offer: Offer
    nodes: tuple[NodeStatus, ...]
    total: Resources
    free: Resources
    runs: int
    available: bool
    drained: bool
    observed_at: Instant | None
    detail: str = ""
    circuit: str = "closed"
    doubts: tuple[tuple[Instant, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """How the loop is doing. ``trouble`` is empty when all is well."""

    leading: bool
    leader_url: str | None
    cycles: int
    pending: int
    running: int
    last_cycle_us: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class LiveMetrics:
    """What the loop has counted since this process started. Times are in microseconds."""

    decisions: Mapping[str, int] = field(default_factory=dict)  # by kind
    pool_failures: Mapping[str, int] = field(default_factory=dict)  # by pool
    pool_moved: Mapping[str, int] = field(default_factory=dict)  # runs that left it unlaunched
    pool_doubts: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by pool and kind
    timings: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # step: count, sum
    store_retries: int = 0
    orphans: int = 0


class Live(Protocol):
    """The live loop, as seen by the API. Only the leader answers for pools and explanations."""

    def status(self) -> LiveStatus: ...

    def metrics(self) -> LiveMetrics:
        """What the loop has counted; a follower answers for the terms that it led."""
        ...

    def nudge(self) -> None:
        """Something was written to the store: look soon."""
        ...

    async def explain(self, job: JobId) -> Explanation | None:
        """Why an unfinished job is where it is; ``None`` if the scheduler does not know it."""
        ...

    async def dry_run(self, spec: JobSpec, user: str) -> Explanation:
        """Where a job would go if it were submitted now. Changes nothing."""
        ...

    async def draw_up(self, asked: ReservationAsked) -> tuple[Reservation, tuple[RunId, ...]]:
        """The reservation that was asked for, with its nodes, and the runs there that are not sure
        to end before it begins. Changes nothing.

        Raises:
            InputError: it cannot be.
            StoreConflict: another keeps one of the nodes at the same time, or has its name.
        """
        ...

    async def pools(self) -> tuple[PoolStatus, ...]: ...

    async def runs_in(self, pool: PoolName) -> tuple[Run, ...]:
        """The open runs of one pool, by id."""
        ...

    async def read_log(
        self, run: Run, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """Raises:
        PoolError: the pool cannot give it; the message says why.
        """
        ...

    async def list_outputs(self, run: Run) -> tuple[OutputFile, ...]:
        """What a run has left so far. Raises as ``read_log``."""
        ...

    async def read_output(self, run: Run, path: str, *, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes of one of them from ``offset``. Raises as ``read_log``."""
        ...
