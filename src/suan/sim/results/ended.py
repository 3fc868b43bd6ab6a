"""One job that has left the system, and who may want to write it down."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Ended(NamedTuple):
    """One job that has left the system. Instants and durations are microseconds.

    A named tuple, because a simulator makes one for each of millions of jobs: it costs half of
    what a frozen dataclass does, and its columns can be taken apart without a loop.
    """

    job: str
    line: int  # of the trace
    name: str
    user: str
    tenant: str
    queue: str
    priority: int
    pool: str | None  # of its last run
    tasks: int
    cpu_milli: int  # of the whole gang, as the next
    accelerators_milli: int
    submitted: int
    started: int | None  # the first start
    ended: int
    served: int  # how long it ran, over all runs
    lost: int  # how much of that preemption, failure or loss threw away
    attempts: int
    preempted: int
    state: str  # a JobState's value
    deadline: int | None

    @property
    def waiting(self) -> int:
        """Microseconds in the system without running: back-offs and dependencies count too."""
        return self.ended - self.submitted - self.served

    @property
    def completion(self) -> int:
        """Microseconds from submission to the end."""
        return self.ended - self.submitted


class RowWriter(Protocol):
    """Takes jobs as they end, many at a time. Whoever opened it closes it."""

    def write(self, jobs: Sequence[Ended]) -> None:
        """Write one row for each job, in this order."""
        ...
