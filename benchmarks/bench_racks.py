"""Racks: how close gangs stand, and what looking for that costs.

One pool of nodes with 8 accelerators each, 16 to a rack and 16 racks to a spine, names dealt out at
random over the racks. Half the jobs are gangs of 2 to 16 tasks that take 1 to 8 accelerators each,
the others take 1 to 8 on one node. The pool is filled to nine tenths; then for each job that ends,
drawn at random, the next that arrives is placed, and this is what is timed. *Without racks* is the
same world with nodes that do not tell theirs; how close its gangs stand is told by where they do.
"""

import random
import statistics
import time

import harness

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import JobCancelled, JobSubmitted, PolicyChanged, PoolObserved, RunEnded
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Place
from suan.model.policy import POLICIES
from suan.model.resources import Resources

A_RACK = A_SPINE = 16
GPUS = 8
NODE = Resources(96_000, 1 << 20, (("A100-80GB", GPUS * 1000),))
DONE = Outcome(Cause.SUCCEEDED, exit_code=0)


def racks_of(count: int) -> list[str]:
    """The rack of each node, by number."""
    racks = [f"s{at // A_RACK // A_SPINE:02}/r{at // A_RACK:04}" for at in range(count)]
    random.Random(1).shuffle(racks)
    return racks


def demands(rng: random.Random) -> Demand:
    gpus = rng.choice((1, 2, 4, 8, 8))
    tasks = rng.choice((2, 4, 4, 8, 16)) if rng.random() < 0.5 else 1
    return Demand(
        tasks, (Option(Resources(gpus * 4000, gpus << 15, (("A100-80GB", gpus * 1000),))),)
    )


class World:
    """A pool, the jobs in it, and where they stand."""

    def __init__(self, count: int, policy: str, *, told: bool) -> None:
        self.rng = random.Random(2)
        self.scheduler = Scheduler()
        self.scheduler.apply(PolicyChanged(0, POLICIES[policy]))
        racks = racks_of(count)
        self.racks = {f"n{at:05}": rack for at, rack in enumerate(racks)}
        statuses = tuple(
            NodeStatus(name, NODE, rack=rack if told else "") for name, rack in self.racks.items()
        )
        self.scheduler.apply(PoolObserved(0, Offer("pool", "local"), statuses))
        self.running: list[Place] = []
        self.held = self.now = 0
        self.capacity = count * GPUS * 1000

    def place(self) -> Place | None:
        """Submit the next job; one that does not fit is cancelled."""
        self.now += 1
        name = f"J{self.now:09}"
        self.scheduler.apply(JobSubmitted(self.now, name, self.now, demands(self.rng)))
        for each in self.scheduler.decide(self.now).decisions:
            if isinstance(each, Place):
                self.running.append(each)
                self.held += len(each.nodes) * each.per_task.accelerators_total
                return each
        self.scheduler.apply(JobCancelled(self.now, name))
        self.scheduler.decide(self.now)
        return None

    def end(self) -> None:
        """One job, drawn at random, ends."""
        at = self.rng.randrange(len(self.running))
        self.running[at], self.running[-1] = self.running[-1], self.running[at]
        place = self.running.pop()
        self.held -= len(place.nodes) * place.per_task.accelerators_total
        self.scheduler.apply(RunEnded(self.now, place.run, DONE))
        self.scheduler.decide(self.now)


def turned(count: int, rounds: int, policy: str, *, told: bool) -> tuple[str, ...]:
    """A row: CPU time of a job placed and ended, and how close the gangs came to stand."""
    world = World(count, policy, told=told)
    while world.held < 0.9 * world.capacity:
        world.place()
    placed: list[Place] = []
    began = time.process_time()
    for _ in range(rounds):
        while world.held > 0.9 * world.capacity:
            world.end()
        found = world.place()
        if found is not None:
            placed.append(found)
    took = time.process_time() - began
    gangs = [set(place.nodes) for place in placed if len(set(place.nodes)) > 1]
    over = [len({world.racks[name] for name in nodes}) for nodes in gangs]
    spines = [len({world.racks[name][:3] for name in nodes}) for nodes in gangs]
    return (
        f"{count:,}",
        policy,
        "yes" if told else "no",
        harness.duration(took / rounds),
        f"{100 * over.count(1) / len(over):.1f}",
        f"{statistics.mean(over):.2f}",
        f"{100 * spines.count(1) / len(spines):.1f}",
    )


def main() -> None:
    small = harness.quick()
    rows = [
        turned(count, 300 if small else 3_000, policy, told=told)
        for policy in ("fifo", "default")
        for count in ((200, 1_000) if small else (1_000, 10_000))
        for told in (False, True)
    ]
    header = ("nodes", "policy", "racks", "CPU time a job", "in one rack, %", "racks a gang")
    print(harness.table((*header, "in one spine, %"), rows))


if __name__ == "__main__":
    main()
