"""Several policies over one trace and one set of pools, each from the beginning."""

from collections.abc import Callable

from suan.core import Scheduler
from suan.model.demand import Demand
from suan.model.errors import InputError
from suan.model.events import JobSubmitted, PolicyChanged
from suan.model.policy import POLICIES
from suan.model.units import JobId
from suan.sim.engine import Engine
from suan.sim.pools import SimulatedPool
from suan.sim.results import Recorder, Result, RowWriter
from suan.sim.settings import Settings
from suan.sim.traces.job import TraceJob
from suan.sim.traces.opening import Trace


class Fitting:
    """Whether some pool, empty, could hold a job: the scheduler's own answer, kept by demand."""

    def __init__(self, pools: tuple[SimulatedPool, ...]) -> None:
        self._oracle = Scheduler()
        for pool in pools:
            self._oracle.apply(pool.observed())
        self._same: dict[int, tuple[Demand, bool]] = {}  # the demand is kept for its identity
        self._equal: dict[Demand, bool] = {}

    def __call__(self, job: TraceJob) -> bool:
        """The answer for one job."""
        known = self._same.get(id(job.demand))
        if known is None:
            known = self._same[id(job.demand)] = (job.demand, self._ask(job.demand))
        return known[1]

    def _ask(self, demand: Demand) -> bool:
        found = self._equal.get(demand)
        if found is None:
            event = JobSubmitted(0, JobId("fitting"), 0, demand)
            found = self._equal[demand] = bool(self._oracle.consider(event, 0).costs)
        return found


def check_policies(names: str) -> tuple[str, ...]:
    """Policies by name, from ``a,b,c``.

    Raises:
        InputError: one is not known, or none or one twice is given.
    """
    found = tuple(each.strip() for each in names.split(",") if each.strip())
    for name in found:
        if name not in POLICIES:
            raise InputError(
                f"there is no policy called {name!r}",
                where="--policy",
                mend=f"known policies: {', '.join(POLICIES)}",
            )
    if not found or len(set(found)) < len(found):
        raise InputError(
            "a policy is named twice" if found else "no policy is named",
            where="--policy",
            mend="name each once, separated by commas: fifo,easy",
        )
    return found


def simulate(
    policy: str,
    trace: Trace,
    pools: tuple[SimulatedPool, ...],
    *,
    settings: Settings,
    rows: RowWriter | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """One policy over the whole trace. ``rows`` is given each job as it leaves."""
    recorder = Recorder(policy, rows)
    engine = Engine(
        Scheduler(),
        pools,
        recorder,
        told=(PolicyChanged(0, POLICIES[policy]), *trace.queues, *trace.reserved),
        settings=settings,
        dependent=trace.dependent,
    )
    engine.run(trace.jobs(), progress)
    return recorder.result()
