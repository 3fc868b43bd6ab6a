"""The sums of a group of jobs: all of them, a tenant's, a pool's, a priority's, a size's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from suan.sim.results.histogram import EMPTY, Distribution

Dimension: TypeAlias = Literal["all", "tenant", "priority", "size", "pool"]


class Sums:
    """Exact sums over jobs that ran. Microseconds; device time is thousandths x microseconds."""

    __slots__ = (
        "accelerator_time",
        "completion",
        "cpu_time",
        "jobs",
        "longest",
        "lost_accelerator_time",
        "lost_cpu_time",
        "slowdown",
        "wait",
    )

    def __init__(self) -> None:
        self.jobs = 0
        self.wait = 0
        self.longest = 0
        self.completion = 0
        self.slowdown = 0  # thousandths
        self.cpu_time = 0
        self.accelerator_time = 0
        self.lost_cpu_time = 0
        self.lost_accelerator_time = 0

    def add(self, other: "Sums") -> None:
        """Count in what ``other`` counted."""
        self.jobs += other.jobs
        self.wait += other.wait
        self.longest = max(self.longest, other.longest)
        self.completion += other.completion
        self.slowdown += other.slowdown
        self.cpu_time += other.cpu_time
        self.accelerator_time += other.accelerator_time
        self.lost_cpu_time += other.lost_cpu_time
        self.lost_accelerator_time += other.lost_accelerator_time


@dataclass(frozen=True, slots=True)
class Group:
    """The jobs of one group that ran.

    ``wait`` is their distribution. ``completion`` (microseconds) and ``slowdown`` (thousandths)
    are sums; the times of devices, run and lost, are thousandths of a device x microseconds.
    ``key`` orders groups of one dimension (a priority's number, a size class's place).
    """

    name: str
    key: int
    wait: Distribution
    completion: int
    slowdown: int
    cpu_time: int
    accelerator_time: int
    lost_cpu_time: int
    lost_accelerator_time: int

    @property
    def jobs(self) -> int:
        """How many jobs ran."""
        return self.wait.count

    @property
    def mean_wait(self) -> float:
        """Microseconds."""
        return self.wait.mean

    @property
    def mean_completion(self) -> float:
        """Microseconds."""
        return self.completion / self.jobs if self.jobs else 0.0

    @property
    def mean_slowdown(self) -> float:
        """Mean bounded slowdown: at least 1, to a thousandth."""
        return self.slowdown / self.jobs / 1000 if self.jobs else 0.0

    @property
    def device_time(self) -> int:
        """What orders groups by weight: time of accelerators, or of processors if it used none."""
        return self.accelerator_time or self.cpu_time

    def plus(self, other: "Group") -> "Group":
        """Both together, under this one's name."""
        return replace(
            self,
            wait=self.wait.plus(other.wait),
            completion=self.completion + other.completion,
            slowdown=self.slowdown + other.slowdown,
            cpu_time=self.cpu_time + other.cpu_time,
            accelerator_time=self.accelerator_time + other.accelerator_time,
            lost_cpu_time=self.lost_cpu_time + other.lost_cpu_time,
            lost_accelerator_time=self.lost_accelerator_time + other.lost_accelerator_time,
        )


def group(name: str, sums: Sums, wait: Distribution, *, key: int = 0) -> Group:
    """What was summed, as a value."""
    return Group(
        name,
        key,
        wait,
        sums.completion,
        sums.slowdown,
        sums.cpu_time,
        sums.accelerator_time,
        sums.lost_cpu_time,
        sums.lost_accelerator_time,
    )


NOTHING = Group("", 0, EMPTY, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Rest:
    """Groups too many to show one by one: how many, and what they come to together."""

    groups: int
    together: Group


def largest(groups: Sequence[Group], many: int) -> tuple[tuple[Group, ...], Rest]:
    """The ``many`` groups with the most device time, then name, and the rest together."""
    ranked = sorted(groups, key=lambda each: (-each.device_time, each.name))
    together = NOTHING
    for each in ranked[many:]:
        together = together.plus(each)
    return tuple(ranked[:many]), Rest(max(0, len(ranked) - many), together)
