"""What a simulation may be told beyond its trace, its pools and its policy."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from suan.model.units import Duration, Thousandths

Durations: TypeAlias = Literal["requested", "actual", "none"]
DURATIONS: tuple[Durations, ...] = ("requested", "actual", "none")


@dataclass(frozen=True, slots=True)
class Settings:
    """``durations`` is what jobs tell the scheduler of themselves: ``requested`` gives what the
    trace says the user asked for as the time limit (which then also ends the run), ``actual`` the
    true run time as what is expected, ``none`` nothing.

    A run that is stopped or lost keeps its work up to the last multiple of ``checkpoint_every``
    (``None``: it keeps nothing); a run after the first begins with ``restart_cost`` of no work.
    An elastic job works faster with more nodes than its least: ``parallel`` is the share of its
    work, in thousandths, that is spread over them (``suan.sim.scaling``).
    With ``mtbf`` each node fails, on average so long after it came up, and is back after ``mttr``
    on average, both exponential; ``seed`` decides when.
    """

    durations: Durations = "requested"
    checkpoint_every: Duration | None = None
    restart_cost: Duration = 0
    mtbf: Duration | None = None
    mttr: Duration = 0
    seed: int = 0
    parallel: Thousandths = 1000
