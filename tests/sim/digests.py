"""Prints, for every policy, a digest of all plans of a crowded simulation, and whether
the scheduler and the engine that made them are compiled: ``python -m tests.sim.digests``."""

import hashlib
import json
import random

from suan.core import Scheduler, cycle
from suan.model.demand import Demand, Option
from suan.model.events import Event, JobSubmitted
from suan.model.plan import Plan
from suan.model.policy import POLICIES
from suan.model.resources import Resources
from suan.model.spec import Checkpoint
from suan.model.units import HOUR, MINUTE, SECOND, Instant
from suan.sim import engine
from suan.sim.settings import Settings
from suan.sim.traces.job import TraceJob
from tests.sim.world import pool, simulated

JOBS = 250
ASKED_EVERY = 250  # decisions
FAILING = Settings(mtbf=40 * HOUR, mttr=HOUR, restart_cost=MINUTE, seed=3)


class Digesting:
    """A scheduler whose plans are read as they leave it, and now and then why a job waits."""

    def __init__(self) -> None:
        self._scheduler = Scheduler()
        self._last = ""
        self._asked = 0
        self.found = hashlib.sha256()

    def apply(self, event: Event) -> None:
        if isinstance(event, JobSubmitted):
            self._last = event.job
        self._scheduler.apply(event)

    def decide(self, now: Instant) -> Plan:
        plan = self._scheduler.decide(now)
        self.found.update(plan.digest().encode())
        self._asked += 1
        if self._asked % ASKED_EVERY == 0:
            self.found.update(repr(self._scheduler.explain(self._last, now)).encode())
        return plan


def jobs(rng: random.Random) -> list[TraceJob]:
    """Gangs, parts of accelerators, elastic ones, deadlines, priorities, time limits or none."""
    made, at = [], 0
    for number in range(JOBS):
        at += rng.choice((0, 0, 20, 90, 400)) * SECOND
        share = rng.choice((250, 500, 1000, 1000, 2000, 4000))
        gpus = () if rng.random() < 0.3 else ((rng.choice("AAB"), share),)
        tasks = rng.choice((1, 1, 1, 2, 3))
        most = tasks + 2 if rng.random() < 0.1 else None
        each = Resources(rng.choice((1000, 2000, 4000)), rng.choice((64, 256)), gpus)
        runtime = rng.randrange(10, 4000) * SECOND
        made.append(
            TraceJob(
                f"j{number}",
                number,
                at,
                runtime,
                Demand(tasks, (Option(each),), max_tasks=most),
                requested=rng.choice((None, runtime, 2 * runtime)),
                tenant=rng.choice(("lab/vision", "lab/speech", "shop")),
                user=rng.choice(("ann", "bob")),
                priority=rng.choice((0, 0, 0, 10)),
                deadline=at + 3 * runtime if rng.random() < 0.1 else None,
                checkpoint=Checkpoint(interval=MINUTE) if rng.random() < 0.3 else None,
            )
        )
    return made


def main() -> None:
    pools = (pool("one", nodes=4, cpus=16, gpus=4), pool("two", nodes=3, cpus=8))
    found = {}
    for name in POLICIES:
        decider = Digesting()
        simulated(jobs(random.Random(7)), *pools, policy=name, settings=FAILING, scheduler=decider)
        found[name] = decider.found.hexdigest()
    compiled = [not module.__file__.endswith(".py") for module in (cycle, engine)]
    print(json.dumps({"compiled": compiled, "digests": found}))


if __name__ == "__main__":
    main()
