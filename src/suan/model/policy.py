"""How the scheduler decides, where the users of a platform may choose.

A policy is data: it is told as an event, journalled with the rest, and so a journal can be
replayed under another. ``POLICIES`` are those with names of their own; what each means, exactly,
is in ``docs/explanation/scheduling.md``.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from suan.model.units import DAY, HOUR, MINUTE, Duration

Discipline: TypeAlias = Literal["fifo", "sjf", "qssf", "las", "edf"]
Backfill: TypeAlias = Literal["none", "easy", "conservative"]

DISCIPLINES: tuple[Discipline, ...] = ("fifo", "sjf", "qssf", "las", "edf")
BACKFILLS: tuple[Backfill, ...] = ("none", "easy", "conservative")


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides among jobs of one priority.

    ``discipline`` is that of queues which name none. With ``fair_share`` queues and tenants come
    by their dominant share of what was used, over their weight, before the discipline does;
    usage counts half after ``half_life``. ``predict`` lets learned durations stand where the user
    gave neither ``expected`` nor a time limit. A run is safe from preemption for ``min_run_time``.
    With ``deadlines`` runs that have none to lose are preempted for a job that would miss its own;
    with ``even_out`` runs of who has had more than his share, for who has had less.
    """

    discipline: Discipline = "fifo"
    backfill: Backfill = "easy"
    fair_share: bool = True
    half_life: Duration = 7 * DAY
    predict: bool = True
    preemption: bool = True
    min_run_time: Duration = 5 * MINUTE
    deadlines: bool = False
    even_out: bool = False

    def __post_init__(self) -> None:
        if self.discipline not in DISCIPLINES:
            raise ValueError(
                f"discipline: {self.discipline!r} is not one of {', '.join(DISCIPLINES)}"
            )
        if self.backfill not in BACKFILLS:
            raise ValueError(f"backfill: {self.backfill!r} is not one of {', '.join(BACKFILLS)}")
        if self.backfill == "conservative" and self.preemption:
            raise ValueError("preemption: breaks what conservative backfill promises; choose one")
        if self.even_out and not (self.fair_share and self.preemption):
            raise ValueError("even_out: needs fair_share and preemption")
        if self.half_life <= 0:
            raise ValueError("half_life: must be positive")
        if self.min_run_time < 0:
            raise ValueError("min_run_time: must not be negative")


def _strict(discipline: Discipline) -> Policy:
    """Order and nothing else: nobody passes, nobody is preempted, nobody's share is looked at, and
    only what the user told counts."""
    return Policy(discipline, "none", fair_share=False, predict=False, preemption=False)


POLICIES: dict[str, Policy] = {
    "default": Policy(),
    "fifo": _strict("fifo"),
    "sjf": _strict("sjf"),
    "qssf": Policy("qssf", "easy", fair_share=False, preemption=False),
    "edf": _strict("edf"),
    "deadline": Policy("edf", "easy", fair_share=False, deadlines=True),
    "easy": Policy(fair_share=False, preemption=False),
    "conservative": Policy(backfill="conservative", fair_share=False, preemption=False),
    "fair": Policy(backfill="none", preemption=False),
    "even": Policy(half_life=HOUR, min_run_time=15 * MINUTE, even_out=True),
    "las": Policy("las", "easy", fair_share=False),
}
"""By the name that ``suan simulate`` and ``suan replay`` take."""
