"""The yardstick of optimality: small instances, solved by OR-tools' CP-SAT.

An instance is jobs (gangs, whole in one pool, all tasks at once, never interrupted) on pools of a
few nodes, with every duration known. Times are whole units from 0. ``solve`` gives the best value
of one objective and a bound that no plan can beat, the two equal where it was proved. A schedule
of anyone else's is judged by ``value``, and ``wrong`` says what is wrong with it.

The solver knows all releases beforehand; whoever decides as jobs come cannot.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ortools.sat.python import cp_model

Objective = Literal["makespan", "completion", "misses"]
Node = tuple[int, int]  # processors, accelerators
Vars = list[tuple[cp_model.IntervalVar, "Job", int]]  # while it runs, and with how many tasks


@dataclass(frozen=True, slots=True)
class Job:
    """``tasks`` alike, each of ``cpus`` and ``gpus`` on one node; several may share a node."""

    name: str
    tasks: int
    cpus: int
    gpus: int
    duration: int
    release: int = 0
    deadline: int | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Instance:
    """Jobs in order of submission, and the nodes of each pool."""

    jobs: tuple[Job, ...]
    pools: Mapping[str, tuple[Node, ...]]


@dataclass(frozen=True, slots=True)
class Spot:
    """When a job starts, in which pool, and how many tasks are on each of its nodes."""

    start: int
    pool: str
    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The best found, and what no plan can be better than."""

    best: float
    bound: float
    spots: Mapping[str, Spot]

    @property
    def proved(self) -> bool:
        return self.best - self.bound < 1e-6


def value(instance: Instance, ends: Mapping[str, int], objective: Objective) -> int:
    """What a plan is worth, by its jobs' ends: the last end; the sum of weight × (end - release);
    or how many end past their deadline. Less is better."""
    if objective == "makespan":
        return max(ends.values())
    if objective == "completion":
        return sum(job.weight * (ends[job.name] - job.release) for job in instance.jobs)
    return sum(job.deadline is not None and ends[job.name] > job.deadline for job in instance.jobs)


def wrong(instance: Instance, spots: Mapping[str, Spot]) -> list[str]:
    """What a schedule breaks: a release, a gang torn apart, a node overfull."""
    found = []
    for job in instance.jobs:
        spot = spots.get(job.name)
        if spot is None:
            found.append(f"{job.name} never starts")
        elif spot.start < job.release:
            found.append(f"{job.name} starts before it is there")
        elif sum(spot.tasks) != job.tasks:
            found.append(f"{job.name} has {sum(spot.tasks)} tasks of {job.tasks}")
    return found or _overfull(instance, spots)


def _overfull(instance: Instance, spots: Mapping[str, Spot]) -> list[str]:
    found = []
    for now in sorted({spot.start for spot in spots.values()}):
        for pool, nodes in instance.pools.items():
            for at, (cpus, gpus) in enumerate(nodes):
                held = [
                    (spots[job.name].tasks[at], job)
                    for job in instance.jobs
                    if spots[job.name].pool == pool
                    and spots[job.name].start <= now < spots[job.name].start + job.duration
                ]
                if sum(n * job.cpus for n, job in held) > cpus:
                    found.append(f"at {now} node {at} of {pool} lacks processors")
                if sum(n * job.gpus for n, job in held) > gpus:
                    found.append(f"at {now} node {at} of {pool} lacks accelerators")
    return found


@dataclass
class Model:
    """The instance as CP-SAT sees it. A job has one start; a literal for each pool; and for each
    node and number of its tasks there a literal with an interval, so that demands are constants."""

    instance: Instance
    horizon: int
    cp: cp_model.CpModel = field(default_factory=cp_model.CpModel)
    starts: dict[str, cp_model.IntVar] = field(default_factory=dict)
    pools: dict[tuple[str, str], cp_model.IntVar] = field(default_factory=dict)
    counts: dict[tuple[str, str, int, int], cp_model.IntVar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        on_node: dict[tuple[str, int], Vars] = {}
        in_pool: dict[str, Vars] = {}
        for job in self.instance.jobs:
            self.starts[job.name] = self.cp.new_int_var(
                job.release, self.horizon - job.duration, f"start {job.name}"
            )
            for pool, nodes in self.instance.pools.items():
                self._job_in_pool(job, pool, nodes, on_node=on_node, in_pool=in_pool)
            self.cp.add_exactly_one(self.pools[job.name, pool] for pool in self.instance.pools)
        for (pool, at), held in on_node.items():
            self._capacity(held, self.instance.pools[pool][at])
        for pool, held in in_pool.items():  # implied, and helps the bound
            nodes = self.instance.pools[pool]
            if len(nodes) > 1:
                self._capacity(held, (sum(n[0] for n in nodes), sum(n[1] for n in nodes)))

    def _job_in_pool(
        self,
        job: Job,
        pool: str,
        nodes: Sequence[Node],
        *,
        on_node: dict[tuple[str, int], Vars],
        in_pool: dict[str, Vars],
    ) -> None:
        here = self.pools[job.name, pool] = self.cp.new_bool_var(f"{job.name} in {pool}")
        in_pool.setdefault(pool, []).append((self._interval(job, here), job, job.tasks))
        terms = []
        for at, node in enumerate(nodes):
            literals = []
            for count in range(1, room(job, node) + 1):
                literal = self.cp.new_bool_var(f"{job.name} {count} on {pool} {at}")
                self.counts[job.name, pool, at, count] = literal
                on_node.setdefault((pool, at), []).append(
                    (self._interval(job, literal), job, count)
                )
                literals.append(literal)
                terms.append(count * literal)
            if len(literals) > 1:
                self.cp.add_at_most_one(literals)
        self.cp.add(sum(terms) == job.tasks * here)

    def _interval(self, job: Job, literal: cp_model.IntVar) -> cp_model.IntervalVar:
        start = self.starts[job.name]
        return self.cp.new_optional_fixed_size_interval_var(
            start, job.duration, literal, f"{literal.name} runs"
        )

    def _capacity(self, held: Vars, node: Node) -> None:
        for kind, have in enumerate(node):
            parts = [
                (each, count * (job.cpus, job.gpus)[kind])
                for each, job, count in held
                if (job.cpus, job.gpus)[kind]
            ]
            if parts:
                self.cp.add_cumulative([p[0] for p in parts], [p[1] for p in parts], have)

    def end(self, job: Job) -> cp_model.LinearExpr:
        return self.starts[job.name] + job.duration

    def minimize(self, objective: Objective) -> None:
        jobs = self.instance.jobs
        if objective == "makespan":
            last = self.cp.new_int_var(0, self.horizon, "makespan")
            self.cp.add_max_equality(last, [self.end(job) for job in jobs])
            self.cp.minimize(last)
        elif objective == "completion":
            self.cp.minimize(sum(job.weight * (self.end(job) - job.release) for job in jobs))
        else:
            misses = []
            for job in jobs:
                if job.deadline is not None:
                    late = self.cp.new_bool_var(f"{job.name} late")
                    self.cp.add(self.end(job) <= job.deadline).only_enforce_if(~late)
                    misses.append(late)
            self.cp.minimize(sum(misses))

    def hint(self, spots: Mapping[str, Spot]) -> None:
        """Begin at a plan that is known."""
        for name, start in self.starts.items():
            self.cp.add_hint(start, spots[name].start)
        for (name, pool), here in self.pools.items():
            self.cp.add_hint(here, spots[name].pool == pool)
        for (name, pool, at, count), literal in self.counts.items():
            spot = spots[name]
            self.cp.add_hint(literal, spot.pool == pool and spot.tasks[at] == count)

    def spots(self, solver: cp_model.CpSolver) -> dict[str, Spot]:
        found = {}
        for (name, pool), here in self.pools.items():
            if solver.boolean_value(here):
                tasks = [0] * len(self.instance.pools[pool])
                for (whose, where, at, count), literal in self.counts.items():
                    if (whose, where) == (name, pool) and solver.boolean_value(literal):
                        tasks[at] = count
                found[name] = Spot(solver.value(self.starts[name]), pool, tuple(tasks))
        return found


def room(job: Job, node: Node) -> int:
    """How many tasks of a job an empty node holds, at most all of them."""
    held = job.tasks
    for need, have in ((job.cpus, node[0]), (job.gpus, node[1])):
        if need:
            held = min(held, have // need)
    return held


def solve(
    instance: Instance,
    objective: Objective,
    known: Mapping[str, Spot] | None = None,
    *,
    seconds: float = 10.0,
    workers: int = 1,
) -> Answer:
    """The best plan found in the time, starting from one that is known, which is the answer if the
    time does not suffice for any.

    Raises:
        ValueError: some job fits no pool.
    """
    horizon = max(job.release for job in instance.jobs) + sum(j.duration for j in instance.jobs)
    if known is not None:
        durations = {job.name: job.duration for job in instance.jobs}
        horizon = max(horizon, *(spot.start + durations[n] for n, spot in known.items()))
    model = Model(instance, horizon)
    model.minimize(objective)
    if known is not None:
        model.hint(known)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = 1
    status = solver.solve(model.cp)
    if status == cp_model.UNKNOWN and known is not None:  # no time even for what is known
        ends = {job.name: known[job.name].start + job.duration for job in instance.jobs}
        return Answer(value(instance, ends, objective), solver.best_objective_bound, known)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise ValueError(f"no plan found: {solver.status_name(status)}")
    return Answer(solver.objective_value, solver.best_objective_bound, model.spots(solver))


def fluid_bound(instance: Instance) -> float:
    """What no plan's weighted completion is below, by mean busy times (Goemans, Queyranne, Schulz,
    Skutella and Wang, SIAM J. Discrete Math. 15(2), 2002).

    A job that holds its amount from start to end has its mean busy time half its duration before
    the end. If a kind of resource were one machine that works at any job with all there is of it,
    the weighted sum of mean busy times would be least when it always works at the job there with
    the most weight for its area. The larger bound of both kinds is told.
    """
    found = 0.0
    for kind in (0, 1):
        have = sum(node[kind] for nodes in instance.pools.values() for node in nodes)
        areas = {
            job: job.tasks * (job.cpus, job.gpus)[kind] * job.duration / have
            for job in instance.jobs
            if have and (job.cpus, job.gpus)[kind]
        }
        total = sum(job.weight * job.duration for job in instance.jobs if job not in areas)
        for job, mean in _mean_busy_times(areas).items():
            total += job.weight * (mean + job.duration / 2 - job.release)
        found = max(found, total)
    return found


def _mean_busy_times(areas: Mapping[Job, float]) -> dict[Job, float]:
    """Of each job, on one machine that a job of area 1 keeps busy for 1, as said above."""
    left, busy = dict(areas), dict.fromkeys(areas, 0.0)
    now = 0.0
    while left:
        there = [job for job in left if job.release <= now]
        coming = min((job.release for job in left if job.release > now), default=math.inf)
        if not there:
            now = coming
            continue
        job = max(there, key=lambda each: each.weight / areas[each])
        worked = min(left[job], coming - now)
        busy[job] += worked * (now + worked / 2) / areas[job]
        left[job] -= worked
        if worked < coming - now:
            del left[job]
            now += worked
        else:
            now = coming
            if left[job] <= 0:
                del left[job]
    return busy


def draw(seed: int, most: int = 30) -> Instance:
    """A random instance of 5 to ``most`` jobs on 1 to 4 pools of 1 to 3 nodes each.

    Every job fits some pool whole. Half of the instances have all jobs there at 0, the others let
    them come over a time in which about nine tenths of the work could be done. A third of the jobs
    have deadlines, at 1.5 to 5 times their duration plus a share of the whole time; a quarter
    weigh three times as much.
    """
    rng = random.Random(seed)
    pools = {}
    for at in range(rng.randint(1, 4)):
        node = rng.choice(((16, 0), (32, 4), (64, 8), (64, 8), (96, 8)))
        pools[f"pool-{at}"] = (node,) * rng.randint(1, 3)
    count = rng.randint(5, most)
    shapes = [_shape(rng, pools) for _ in range(count)]
    durations = [max(1, round(rng.lognormvariate(3.0, 1.0))) for _ in range(count)]
    span = _span(shapes, durations, pools)
    staggered = seed % 2 == 1
    releases = sorted(rng.randrange(max(1, round(0.9 * span))) for _ in range(count))
    jobs = []
    for at, ((tasks, cpus, gpus), duration) in enumerate(zip(shapes, durations, strict=True)):
        release = releases[at] if staggered else 0
        due = release + round(duration * rng.uniform(1.5, 5) + span * rng.uniform(0, 0.5))
        deadline = due if rng.random() < 1 / 3 else None
        weight = 3 if rng.random() < 0.25 else 1
        jobs.append(Job(f"j{at:02}", tasks, cpus, gpus, duration, release, deadline, weight))
    return Instance(tuple(jobs), pools)


def _shape(rng: random.Random, pools: Mapping[str, tuple[Node, ...]]) -> tuple[int, int, int]:
    while True:
        tasks = rng.choice((1, 1, 1, 1, 2, 2, 3, 4))
        gpus = rng.choice((0, 1, 1, 2, 4, 8))
        cpus = rng.choice((1, 2, 4, 8, 16)) if not gpus else gpus * rng.choice((2, 4, 8))
        job = Job("", tasks, cpus, gpus, 1)
        if any(sum(room(job, node) for node in nodes) >= tasks for nodes in pools.values()):
            return tasks, cpus, gpus


def _span(
    shapes: Sequence[tuple[int, int, int]],
    durations: Sequence[int],
    pools: Mapping[str, tuple[Node, ...]],
) -> float:
    """About how long all jobs take: the work of the scarcer resource over what there is of it."""
    nodes = [node for each in pools.values() for node in each]
    spans = []
    for kind in (0, 1):
        have = sum(node[kind] for node in nodes)
        work = sum(s[0] * s[1 + kind] * d for s, d in zip(shapes, durations, strict=True))
        spans.append(work / have if have else 0.0)
    return max(spans)
