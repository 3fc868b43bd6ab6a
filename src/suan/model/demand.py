"""What the scheduler sees of a job: its demand. Jobs with equal demands share one shape."""

from dataclasses import dataclass

from suan.model.resources import Resources
from suan.model.units import Money
from suan.model.value import Hashed, hashed_once


@dataclass(frozen=True, slots=True)
class Option:
    """One acceptable kind of place: what each task needs, and where it may be.

    ``infra`` matches a pool's name, ``kind``, ``kind/name`` or site, with ``*`` as a wildcard.
    """

    per_task: Resources
    infra: str | None = None


@hashed_once
@dataclass(frozen=True, slots=True)
class Demand(Hashed):
    """What must be free, in one pool and at once, before a job can start.

    Tasks of a gang may share a node. With ``ordered`` the first option that fits wins, otherwise
    the cheapest. An elastic job starts with ``tasks`` and may have up to ``max_tasks``. One that
    ``brings_files`` runs only where they can be delivered; with a ``reservation`` only on the nodes
    that it keeps, within its window, and if it admits the job.
    """

    tasks: int
    options: tuple[Option, ...]
    ordered: bool = False
    framework: str | None = None
    max_hourly_cost: Money | None = None
    max_tasks: int | None = None
    brings_files: bool = False
    reservation: str | None = None

    @property
    def most(self) -> int:
        """How many tasks a run of it may have."""
        return self.tasks if self.max_tasks is None else self.max_tasks
