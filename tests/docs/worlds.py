"""Worked examples of the documentation: small worlds, run by the real scheduler, as tables.

Times are minutes from the beginning. A table has a row for each job, and a column for each policy
(or each version of the world) with the job's runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import Event, JobSubmitted, PolicyChanged, RunEnded
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.plan import Place, Plan
from suan.model.policy import POLICIES
from suan.model.resources import Resources
from suan.model.units import MINUTE, Duration, Instant
from suan.sim.engine import Engine
from suan.sim.pools import SimulatedPool
from suan.sim.results import Recorder
from suan.sim.settings import Settings
from suan.sim.traces.job import TraceJob

MODEL = "A100"
BARE = Terms()


def clock(at: Instant) -> str:
    """``1:05``: hours and minutes; seconds where there are any."""
    minutes, rest = divmod(at, MINUTE)
    seconds = f":{rest // 1_000_000:02}" if rest else ""
    return f"{minutes // 60}:{minutes % 60:02}{seconds}"


def pool(
    name: str, *gpus: int, cpus: int = 0, price: int = 0, racks: Sequence[str] = ()
) -> SimulatedPool:
    """One node for each number of accelerators, with processors beside; ``price`` an
    accelerator-hour, in the currency's units. ``racks`` has each node's."""
    nodes = tuple(
        NodeStatus(
            f"{name}-{at}",
            Resources(cpus * 1000, 1024, ((MODEL, each * 1000),) if each else ()),
            rack=racks[at - 1] if racks else "",
        )
        for at, each in enumerate(gpus, 1)
    )
    terms = Terms(accelerator_hour=((MODEL, price * 1_000_000),)) if price else BARE
    return SimulatedPool(Offer(name, "simulated", terms), nodes)


def job(name: str, gpus: float, at: int, takes: int, **rest: Any) -> TraceJob:
    """``takes`` is how long it really runs. ``limit`` and ``expects`` are what its user says."""
    per_task = Resources(
        rest.pop("cpus", 0) * 1000, 0, ((MODEL, int(gpus * 1000)),) if gpus else ()
    )
    told = {"limit": "requested", "expects": "expected", "due": "deadline"}
    for short, field_name in told.items():
        if short in rest:
            rest[field_name] = rest.pop(short) * MINUTE
    demand = Demand(rest.pop("tasks", 1), (Option(per_task),), max_tasks=rest.pop("most", None))
    return TraceJob(name, 0, at * MINUTE, takes * MINUTE, demand, **rest)


@dataclass
class Listening:
    """A scheduler, and what became of every run."""

    policy: str
    scheduler: Scheduler = field(default_factory=Scheduler)
    began: dict[str, tuple[str, Instant, str]] = field(default_factory=dict)
    runs: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    elastic: set[str] = field(default_factory=set)  # jobs whose sizes are shown
    shows_nodes: bool = False

    def apply(self, event: Event) -> None:
        self.scheduler.apply(event)
        if isinstance(event, JobSubmitted) and event.demand.max_tasks is not None:
            self.elastic.add(event.job)
        if isinstance(event, RunEnded):
            name, began, where = self.began[event.run]
            at = f" on {where}" if self.shows_nodes else ""
            if name in self.elastic:
                at = f" with {self.sizes[event.run]}"
            self.runs.setdefault(name, []).append(f"{clock(began)}–{clock(event.at)}{at}")

    def decide(self, now: Instant) -> Plan:
        plan = self.scheduler.decide(now)
        for decision in plan.decisions:
            if isinstance(decision, Place):
                nodes = " and ".join(dict.fromkeys(decision.nodes))
                self.began[decision.run] = (decision.job, now, nodes)
                self.sizes[decision.run] = len(decision.nodes)
        return plan


class Quiet:
    """Rows that nobody reads."""

    def write(self, jobs: Sequence[object]) -> None:
        pass


def timeline(
    jobs: Sequence[TraceJob],
    pools: Sequence[SimulatedPool],
    policy: str,
    *,
    told: Sequence[Event] = (),
    nodes: bool = False,
) -> dict[str, str]:
    """When each job ran under a policy, by name: ``0:00–1:00, 1:30–2:00``."""
    listening = Listening(policy, shows_nodes=nodes)
    engine = Engine(
        listening,
        tuple(pools),
        Recorder(policy, Quiet()),
        told=(PolicyChanged(0, POLICIES[policy]), *told),
        settings=Settings(),
    )
    engine.run(iter(sorted(jobs, key=lambda each: each.submit)))
    return {name: ", ".join(runs) for name, runs in listening.runs.items()}


def asked(each: TraceJob) -> str:
    """What a job needs, as the tables say it."""
    option = each.demand.options[0].per_task
    gpus, cpus = option.accelerator(MODEL) / 1000, option.cpu_milli // 1000
    size = str(each.demand.tasks)
    if each.demand.max_tasks is not None:
        size += f"..{each.demand.max_tasks}"
    gang = f"{size} × " if each.demand.most > 1 else ""
    return f"{gang}{gpus:g} GPU{'s' * (gpus > 1)}" if gpus else f"{gang}{cpus} CPUs"


def lasts(time: Duration) -> str:
    """``45 min``, ``2 h``."""
    minutes = time // MINUTE
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    width = head.count("|") + 1
    lines = [f"| {head} |", "|" + "---|" * width]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
