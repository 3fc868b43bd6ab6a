"""A live loop that a test can put into any state, also those that the real one never reaches."""

from dataclasses import dataclass, field

from suan.content.manifest import digest_of
from suan.control.book import Book, PoolSight
from suan.control.reserving import draw_up
from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.job import Run
from suan.model.live import LiveMetrics, LiveStatus, PoolStatus
from suan.model.plan import Cost, Explanation
from suan.model.pool import LogChunk, OutputFile
from suan.model.refusal import Refusal, RefusalCode
from suan.model.reservation import Reservation, ReservationAsked
from suan.model.spec import JobSpec
from suan.model.units import MINUTE, SECOND, Instant, JobId, NodeName, PoolName, RunId


@dataclass
class TestLoop:
    """Meets ``suan.model.live.Live``."""

    __test__ = False

    leading: bool = True
    leader_url: str | None = None
    trouble: str = ""
    nudges: int = 0
    given_pools: tuple[PoolStatus, ...] = ()
    given_runs: tuple[Run, ...] = ()
    log: bytes = b""
    log_ended: bool = True
    log_faults: int = 0
    reads: int = 0
    outputs: dict[str, bytes] = field(default_factory=dict)
    planned: list[JobSpec] = field(default_factory=list)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    outlasting: dict[NodeName, tuple[RunId, ...]] = field(default_factory=dict)
    now: Instant = 0

    def status(self) -> LiveStatus:
        return LiveStatus(self.leading, self.leader_url, 1, 0, 0, 100, self.trouble)

    def metrics(self) -> LiveMetrics:
        return LiveMetrics(
            decisions={"place": 3},
            pool_failures={"lab": 2},
            pool_moved={"lab": 4},
            pool_doubts={("lab", "clock"): 6},
            timings={"decide": (4, 2_000_000)},
            store_retries=1,
            orphans=5,
        )

    def nudge(self) -> None:
        self.nudges += 1

    async def explain(self, job: JobId) -> Explanation | None:
        refusal = Refusal(
            RefusalCode.NO_SUCH_ACCELERATOR,
            PoolName("lab"),
            "needs 1 TPU-V9, there are none",
            "a pool that has some",
            permanent=True,
        )
        return Explanation(job, "pending", "no pool has a TPU-V9", (refusal,), ahead=0)

    async def dry_run(self, spec: JobSpec, user: str) -> Explanation:
        self.planned.append(spec)
        cost = Cost(PoolName("lab"), (("devices", 3), ("energy", 4)), 7)
        return Explanation(
            JobId(""),
            "plan",
            "would start now in lab",
            costs=(cost,),
            earliest=SECOND,
            latest=MINUTE,
            rests_on="what runs now",
        )

    async def draw_up(self, asked: ReservationAsked) -> tuple[Reservation, tuple[RunId, ...]]:
        sights = {
            each.offer.pool: PoolSight(each.offer, {node.name: node for node in each.nodes})
            for each in self.given_pools
        }
        book = Book(pools=sights, reservations=self.reservations)
        return draw_up(book, asked, self.outlasting, now=self.now)

    async def pools(self) -> tuple[PoolStatus, ...]:
        return self.given_pools

    async def runs_in(self, pool: PoolName) -> tuple[Run, ...]:
        return tuple(run for run in self.given_runs if run.pool == pool)

    async def read_log(
        self, run: Run, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        self.reads += 1
        self._fault()
        if stream != "stdout":
            return LogChunk(b"", 0, end=True)
        start = offset if offset >= 0 else max(0, len(self.log) + offset)
        data = self.log[start : start + limit]
        return LogChunk(
            data, start + len(data), self.log_ended and start + len(data) >= len(self.log)
        )

    async def list_outputs(self, run: Run) -> tuple[OutputFile, ...]:
        self._fault()
        return tuple(
            OutputFile(path, len(data), digest_of(data)) for path, data in self.outputs.items()
        )

    async def read_output(self, run: Run, path: str, *, offset: int, limit: int) -> bytes:
        self._fault()
        if path not in self.outputs:
            raise PoolRejected(f"there is no output {path!r}")
        return self.outputs[path][offset : offset + limit]

    def _fault(self) -> None:
        if self.log_faults:
            self.log_faults -= 1
            raise PoolUnavailable("the pool does not answer", mend="wait")
