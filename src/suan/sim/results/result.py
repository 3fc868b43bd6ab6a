"""What one policy came to."""

from dataclasses import dataclass

from suan.model.units import Duration, Instant
from suan.sim.results.groups import Group
from suan.sim.results.spans import Gantt
from suan.sim.results.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Result:
    """One policy's run of a trace. Durations are microseconds.

    Waits, completions and slowdowns are of jobs that ran; ``docs/reference/simulation-results.md``
    defines each figure.
    """

    policy: str
    jobs: int
    states: tuple[tuple[str, int], ...]
    attempts: int
    preempted: int
    deadlines: int  # jobs that had one
    missed: int
    first: Instant  # submission
    last: Instant  # end
    overall: Group
    tenants: tuple[Group, ...]
    priorities: tuple[Group, ...]
    sizes: tuple[Group, ...]
    pools: tuple[Group, ...]
    timeline: Timeline
    gantt: Gantt

    @property
    def makespan(self) -> Duration:
        """From the first submission to the last end."""
        return self.last - self.first

    @property
    def never_ran(self) -> int:
        """Jobs that left without having run."""
        return self.jobs - self.overall.jobs

    @property
    def utilisation(self) -> float:
        """Of accelerators or, where there are none, processors, over the whole run."""
        return self.timeline.utilisation

    @property
    def accelerated(self) -> bool:
        """Whether device time means accelerators; where not, processors."""
        return self.timeline.accelerated or bool(self.overall.accelerator_time)

    @property
    def lost_device_time(self) -> int:
        """Thousandths of a device x microseconds that preemption, failure and loss threw away."""
        if self.accelerated:
            return self.overall.lost_accelerator_time
        return self.overall.lost_cpu_time
