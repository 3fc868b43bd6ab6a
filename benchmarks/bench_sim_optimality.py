"""How far from optimal: the scheduler's plans beside exact ones, on 200 small instances.

Each instance is random and seeded: 5 to 30 jobs, gangs among them, on 1 to 4 pools of 1 to 3 nodes
(``optimum.draw``). Durations are known to both sides. In half of the instances all jobs are there
at the start; in the other half they come over time, and the exact solver knows when beforehand,
which no scheduler does. The exact plan is CP-SAT's (OR-tools): gangs whole in one pool, nodes never
overfull, nothing interrupted. Where it was proved optimal, within its time, the gap is the policy's
alone: told in columns of its own. Over all instances it is told both to the bound, which no plan
beats (so never too small, maybe too large), and to the best plan found (maybe too small). The last
two columns are medians, to the bound, of each half of the instances.

The bound is CP-SAT's, or for weighted completion that of the fluid relaxation where it is higher
(``optimum.fluid_bound``).

Three objectives, each solved for itself: makespan; weighted completion (the sum of weight × (end
- submission); a quarter of the jobs weigh 3 and are told so as a priority); deadlines missed (a
third of the jobs have one). One plan of a scheduler is held against all three, though none of its
policies aims at more than one: fifo and easy at none but order, sjf at completion, edf at
deadlines. Priorities are strict, weights are not: the optimum may let a light short job pass.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import harness
import heaploops
import traces
from optimum import Answer, Instance, Job, Objective, Spot, draw, fluid_bound, solve, value, wrong
from smallplay import played

from suan.model.policy import POLICIES, Policy

OBJECTIVES: tuple[Objective, ...] = ("makespan", "completion", "misses")
CALLED = {"makespan": "makespan", "completion": "weighted completion", "misses": "missed"}
SECONDS = {"makespan": 1.5, "completion": 4.0, "misses": 2.0}
WORKERS = 8  # more strategies side by side, whatever the number of processors
SHOWN = ("default", "fifo", "easy", "sjf", "edf")
WITH_EASY = ("sjf", "edf")  # also with backfill, which those of that name do without
SPREAD = ("median", "p95", "worst")
CLUSTER, FIRST = "e13805", 60
KNOWN = {30: (56_331.9, 57_256.0, 80_629.7), 50: (65_130.9, 79_690.1, 156_380.6)}


@dataclass
class Held:
    """One objective: what each policy came to on each instance, and the exact answers."""

    values: dict[str, list[float]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def gaps(self, policy: str, chosen: Sequence[int], *, proved: bool = True) -> list[float]:
        """How far above what is proved (the optimum, or else its bound), or above the best that was
        found: 0.05 is 5 %."""
        told = []
        for at in chosen:
            answer = self.answers[at]
            least = answer.bound if proved and not answer.proved else answer.best
            told.append(self.values[policy][at] / least - 1)
        return told


def ends_of(instance: Instance, spots: Mapping[str, Spot]) -> dict[str, int]:
    return {job.name: spots[job.name].start + job.duration for job in instance.jobs}


def hold(seeds: Sequence[int], policies: Mapping[str, Policy]) -> tuple[dict[str, Held], int]:
    """Play and solve every instance; also how many runs the policies stopped.

    Raises:
        RuntimeError: somebody's plan breaks a rule of the instance.
    """
    held = {objective: Held({name: [] for name in policies}) for objective in OBJECTIVES}
    stopped = 0
    for seed in seeds:
        instance = draw(seed)
        plans: dict[str, Mapping[str, Spot]] = {}
        for name, policy in policies.items():
            plans[name], stops = played(instance, policy)
            stopped += stops
            if broken := wrong(instance, plans[name]):
                raise RuntimeError(f"instance {seed}, policy {name}: {broken}")
            for objective in OBJECTIVES:
                worth = value(instance, ends_of(instance, plans[name]), objective)
                held[objective].values[name].append(worth)
        for objective in OBJECTIVES:
            answer = _solved(instance, objective, plans)
            if broken := wrong(instance, answer.spots):
                raise RuntimeError(f"instance {seed}, the exact plan: {broken}")
            held[objective].answers.append(answer)
    return held, stopped


def _solved(
    instance: Instance, objective: Objective, plans: Mapping[str, Mapping[str, Spot]]
) -> Answer:
    best = min(plans.values(), key=lambda p: value(instance, ends_of(instance, p), objective))
    answer = solve(instance, objective, best, seconds=SECONDS[objective], workers=WORKERS)
    if objective == "completion" and not answer.proved:
        bound = min(answer.best, max(answer.bound, fluid_bound(instance)))
        return replace(answer, bound=bound)
    return answer


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def spread(gaps: Sequence[float]) -> tuple[str, str, str]:
    return (
        percent(statistics.median(gaps)),
        percent(harness.percentile(gaps, 95)),
        percent(max(gaps)),
    )


def print_gaps(held: Mapping[str, Held], seeds: Sequence[int]) -> None:
    """A table for each of the two objectives that are ratios, and the count of misses."""
    every = range(len(seeds))
    kinds = [[at for at in every if seeds[at] % 2 == odd] for odd in (0, 1)]
    for objective in ("makespan", "completion"):
        rows = []
        proved = [at for at in every if held[objective].answers[at].proved]
        for policy in held[objective].values:
            gaps = held[objective].gaps
            cells = [*spread(gaps(policy, proved)), *spread(gaps(policy, every))]
            cells += spread(gaps(policy, every, proved=False))
            cells += [percent(statistics.median(gaps(policy, chosen))) for chosen in kinds]
            rows.append((policy, *cells))
        kinds_of = ("proved optimum", "bound", "best found")
        header = [f"{what}, {of}" for of in kinds_of for what in SPREAD]
        what = f"**{CALLED[objective].capitalize()}**"
        print(
            f"{what}, above the optimum of the {len(proved)} instances where that was proved; of"
            " all, above the bound, and above the best found:\n"
        )
        print(harness.table(("policy", *header, "all there: median", "coming: median"), rows))
    missed = held["misses"]
    rows = [(name, f"{sum(each):,.0f}") for name, each in missed.values.items()]
    least = sum(a.best for a in missed.answers)
    bound = sum(math.ceil(a.bound - 1e-6) for a in missed.answers)
    exact = f"{least:,.0f}" + ("" if bound == least else f" (at least {bound:,.0f})")
    jobs = sum(job.deadline is not None for seed in seeds for job in draw(seed).jobs)
    print(f"**Deadlines missed**, of {jobs:,}:\n")
    print(harness.table(("policy", "missed"), [*rows, ("exact", exact)]))


def print_proved(held: Mapping[str, Held], count: int) -> None:
    rows = []
    for objective, each in held.items():
        proved = sum(answer.proved for answer in each.answers)
        left = [(a.best - a.bound) / max(a.best, 1.0) for a in each.answers if not a.proved]
        said = percent(statistics.median(left)) if left else "-"
        limit = harness.duration(SECONDS[objective])
        rows.append((CALLED[objective], f"{proved} of {count}", said, limit))
    header = ("objective", "proved optimal", "bound below best, else (median)", "time limit each")
    print(harness.table(header, rows))


def print_known(*, small: bool) -> None:
    """The yardstick held against optima that another program found."""
    path = traces.found(traces.TIGHT)
    if path is None:
        return
    every, _ = traces.tight(path)
    mine = [row for row in every if row.group == CLUSTER][FIRST:]
    rows = []
    for count, known in KNOWN.items():
        if small and count > 30:
            continue
        jobs = mine[:count]
        answer = on_one_node(jobs, seconds=10.0 if small else 60.0)
        ours = [answer.best / count]
        for loop in (heaploops.sjf_on_nodes, heaploops.fifo_on_nodes):
            waited = heaploops.mean_wait(jobs, loop(jobs, {CLUSTER: 1}))
            ours.append(waited + statistics.fmean(row.duration for row in jobs))
        said = "proved" if answer.proved else f"bound {answer.bound / count:,.1f}"
        cells = [f"{own:,.1f} ({other:,.1f})" for own, other in zip(ours, known, strict=True)]
        rows.append((f"{count} jobs", *cells, said))
    print(
        f"The yardstick itself: {CLUSTER} of philly_tight, from its {FIRST + 1}st job on (those are"
        " the jobs that the known figures belong to), on its one node of 8; mean completion [s],"
        " ours, and in brackets the known figure.\n"
    )
    print(harness.table(("first", "exact", "SJF", "FIFO", "exact plan"), rows))


def on_one_node(rows: Sequence[traces.Row], *, seconds: float) -> Answer:
    """The least sum of completions of these rows on one node of 8 accelerators."""
    first = min(row.submit for row in rows)
    jobs = tuple(
        Job(f"j{at}", 1, 0, row.width, row.duration, row.submit - first)
        for at, row in enumerate(rows)
    )
    instance = Instance(jobs, {CLUSTER: ((0, traces.GPUS_A_NODE),)})
    starts = heaploops.sjf_on_nodes(rows, {CLUSTER: 1})
    known = {f"j{at}": Spot(start - first, CLUSTER, (1,)) for at, start in enumerate(starts)}
    return solve(instance, "completion", known, seconds=seconds, workers=WORKERS)


def main() -> None:
    small = harness.quick()
    seeds = range(20 if small else 200)
    policies = {name: POLICIES[name] for name in SHOWN}
    policies |= {
        f"{name} with EASY": replace(POLICIES[name], backfill="easy") for name in WITH_EASY
    }
    held, stopped = hold(seeds, policies)
    print_proved(held, len(seeds))
    print_gaps(held, seeds)
    print(f"Runs stopped by preemption on the way, all policies together: {stopped}.\n")
    print_known(small=small)


if __name__ == "__main__":
    main()
