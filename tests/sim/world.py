"""Small simulations: pools of a few processors, jobs by hand, and what became of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import Event, PolicyChanged
from suan.model.offer import NodeStatus, Offer
from suan.model.policy import POLICIES
from suan.model.resources import Resources
from suan.model.units import SECOND
from suan.sim.engine import Decider, Engine
from suan.sim.pools import SimulatedPool
from suan.sim.results import Ended, Recorder, Result
from suan.sim.settings import Settings
from suan.sim.traces.job import TraceJob
from suan.sim.traces.tally import Tally


class Kept:
    """Every job that left, as the recorder passes it on."""

    def __init__(self) -> None:
        self.jobs: list[Ended] = []

    def write(self, jobs: Sequence[Ended]) -> None:
        self.jobs += jobs


def pool(name: str = "here", nodes: int = 1, cpus: int = 4, gpus: int = 0) -> SimulatedPool:
    total = Resources(cpus * 1000, 1024, (("A", gpus * 1000),) if gpus else ())
    statuses = tuple(NodeStatus(f"{name}-{n}", total) for n in range(nodes))
    return SimulatedPool(Offer(name, "simulated"), statuses)


def job(number: int, submit: int, runtime: int, cpus: int = 1, **rest: Any) -> TraceJob:
    """Times in seconds; ``requested`` too."""
    demand = Demand(rest.pop("tasks", 1), (Option(Resources(cpus * 1000)),))
    if "requested" in rest:
        rest["requested"] *= SECOND
    return TraceJob(f"j{number}", number, submit * SECOND, runtime * SECOND, demand, **rest)


def simulated(
    jobs: Sequence[TraceJob],
    *pools: SimulatedPool,
    policy: str = "fifo",
    settings: Settings | None = None,
    scheduler: Decider | None = None,
    told: tuple[Event, ...] = (),
) -> tuple[dict[str, Ended], Result]:
    """What became of each job, by id, and the whole."""
    rows = Kept()
    recorder = Recorder(policy, rows)
    engine = Engine(
        scheduler or Scheduler(),
        pools or (pool(),),
        recorder,
        told=(PolicyChanged(0, POLICIES[policy]), *told),
        settings=settings or Settings(),
        dependent=any(each.after for each in jobs),
    )
    engine.run(iter(jobs))
    result = recorder.result()
    found = {each.job: each for each in rows.jobs}
    assert len(found) == len(rows.jobs), "a job left twice"
    return found, result


def starts(found: dict[str, Ended]) -> dict[str, float | None]:
    """When each job first started, in seconds."""
    return {
        name: None if each.started is None else each.started / SECOND
        for name, each in sorted(found.items())
    }


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def every(read: Any, path: Path) -> tuple[list[TraceJob], Tally]:
    tally = Tally()
    return list(read(path, tally, 0)), tally
