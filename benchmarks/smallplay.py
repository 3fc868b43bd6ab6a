"""A small exact event loop around the scheduler: what it makes of an instance of ``optimum``.

Every duration is told as ``expected`` and is true; a weight above 1 is a priority of its own. A
run that is stopped ends at once and its job starts from the beginning, so the last runs of all
jobs are a plan that is never interrupted, and may be held against the optimum of such plans. Not
for: traces (``suan.sim`` is).
"""

from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush

from optimum import Instance, Job, Spot

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted, PolicyChanged, PoolObserved, RunEnded, RunStarted
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Place, Stop
from suan.model.policy import Policy
from suan.model.resources import Resources
from suan.model.units import MINUTE

UNIT = MINUTE  # what an instance's times count
GIB = 1024
DONE = Outcome(Cause.SUCCEEDED, exit_code=0)


def gpus_of(count: int) -> tuple[tuple[str, int], ...]:
    return (("GPU", count * 1000),) if count else ()


def submitted(job: Job, seq: int) -> JobSubmitted:
    per_task = Resources(job.cpus * 1000, GIB, gpus_of(job.gpus))
    return JobSubmitted(
        at=job.release * UNIT,
        job=job.name,
        seq=seq,
        demand=Demand(job.tasks, (Option(per_task),)),
        priority=10 * (job.weight - 1),
        expected=job.duration * UNIT,
        deadline=None if job.deadline is None else job.deadline * UNIT,
    )


def observed(instance: Instance) -> list[PoolObserved]:
    """The pools; node names sort as the nodes stand."""
    return [
        PoolObserved(
            0,
            Offer(pool, "slurm"),
            tuple(
                NodeStatus(f"{pool}-{at}", Resources(cpus * 1000, 4096 * GIB, gpus_of(gpus)))
                for at, (cpus, gpus) in enumerate(nodes)
            ),
        )
        for pool, nodes in instance.pools.items()
    ]


class Play:
    """One instance under one policy."""

    def __init__(self, instance: Instance, policy: Policy) -> None:
        self.instance = instance
        self.jobs = {job.name: job for job in instance.jobs}
        self.scheduler = Scheduler()
        self.scheduler.apply(PolicyChanged(0, policy))
        for event in observed(instance):
            self.scheduler.apply(event)
        self.spots: dict[str, Spot] = {}
        self.ends: list[tuple[int, str]] = []  # in microseconds, runs
        self.open: dict[str, str] = {}  # run → job
        self.stopped = 0

    def run(self) -> Mapping[str, Spot]:
        """The last start of each job, in the instance's units.

        Raises:
            RuntimeError: jobs wait and nothing will ever happen.
        """
        coming = [submitted(job, seq) for seq, job in enumerate(self.instance.jobs)]
        coming.sort(key=lambda event: (event.at, event.seq))
        coming.reverse()
        wake: int | None = None
        while coming or self.ends or self.scheduler.pending:
            times = [event.at for event in coming[-1:]] + [at for at, _ in self.ends[:1]]
            times += [wake] if wake is not None else []
            if not times:
                raise RuntimeError(f"jobs wait for ever: {self.scheduler.pending}")
            now = min(times)
            while self.ends and self.ends[0][0] <= now:
                run = heappop(self.ends)[1]
                if self.open.pop(run, None):
                    self.scheduler.apply(RunEnded(now, run, DONE))
            while coming and coming[-1].at <= now:
                self.scheduler.apply(coming.pop())
            wake = self._decide(now)
        return self.spots

    def _decide(self, now: int) -> int | None:
        more = True
        wake: int | None = None
        while more:
            plan = self.scheduler.decide(now)
            more, wake = plan.more, plan.wake_at
            for decision in plan.decisions:
                if isinstance(decision, Place):
                    self._start(decision, now)
                elif isinstance(decision, Stop) and self.open.pop(decision.run, None):
                    self.stopped += 1
                    outcome = Outcome(decision.cause, detail=decision.detail)
                    self.scheduler.apply(RunEnded(now, decision.run, outcome))
                    more = True
        return wake if wake is None or wake > now else now + 1

    def _start(self, place: Place, now: int) -> None:
        job = self.jobs[place.job]
        on = Counter(place.nodes)
        nodes = len(self.instance.pools[place.pool])
        tasks = tuple(on[f"{place.pool}-{at}"] for at in range(nodes))
        self.spots[job.name] = Spot(-(-now // UNIT), place.pool, tasks)
        self.open[place.run] = job.name
        self.scheduler.apply(RunStarted(now, place.run))
        heappush(self.ends, (now + job.duration * UNIT, place.run))


def played(instance: Instance, policy: Policy) -> tuple[Mapping[str, Spot], int]:
    """The plan that the scheduler makes, and how many runs it stopped on the way."""
    play = Play(instance, policy)
    return play.run(), play.stopped
