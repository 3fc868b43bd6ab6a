"""Disciplines: in which order the jobs of one account and priority come.

A job's *rank* is one integer: by priority, then by its discipline's key, then by submission. One
integer, because ranks are compared millions of times. Between priority and key there is room for
the standing of its account (``core.shares``), which is added where fair share counts, for who was
moved (``core.moving``), and for who must start first of all for its deadline's sake
(``core.deadlines``) or since others move for it.

- ``fifo``: no key, so submission alone counts.
- ``sjf``: the expected duration, shortest first; jobs of which nothing is known come last.
- ``qssf``: the expected service, duration times devices, least first, as Helios orders jobs (Hu et
  al., SC 2021); jobs of which nothing is known come last.
- ``las``: the level of service attained, least first, as Tiresias discretises it (Gu et al.,
  NSDI 2019): a job keeps its place until it has been served a level's worth of device-time.
- ``edf``: the deadline, earliest first; jobs without one come last.
"""

from bisect import bisect_right

from suan.model.demand import Demand
from suan.model.events import JobSubmitted
from suan.model.policy import Discipline
from suan.model.resources import Resources
from suan.model.units import HOUR, Duration

SEQ_BITS = 44  # submission numbers stay below 2**44
_KEY_BITS = 64
_LAST = (1 << _KEY_BITS) - 1
STANDING_SHIFT = SEQ_BITS + _KEY_BITS
STANDING_BITS = 128
MOVED = 1 << (STANDING_SHIFT + STANDING_BITS)  # more than any standing
HURRY = MOVED << 1  # more than that, and with it less than a priority
_PRIORITY_SHIFT = STANDING_SHIFT + STANDING_BITS + 2
CLAIM = 1 << (_PRIORITY_SHIFT + 16)  # more than any priority: who comes first of all
LAS_LEVELS: tuple[Duration, ...] = (4 * HOUR,)
"""Device-time, of all a job's accelerators (or processors, without any) together, at which it
falls to the next level."""


def rank_of(told: JobSubmitted, discipline: Discipline, *, expected: int, served: int) -> int:
    """A job's place among all, lowest first. ``expected`` is its duration (0: not known), and
    ``served`` the device-time its earlier runs have had, both in microseconds."""
    key = 0
    if discipline == "sjf":
        key = min(expected, _LAST) or _LAST
    elif discipline == "qssf":
        key = min(expected * _devices(told.demand), _LAST) or _LAST
    elif discipline == "edf":
        key = _LAST if told.deadline is None else min(max(told.deadline, 0), _LAST)
    elif discipline == "las":
        key = level_of(served)
    return (-told.priority << _PRIORITY_SHIFT) + (key << SEQ_BITS) + told.seq


def _devices(demand: Demand) -> int:
    """How many accelerators the first option takes, or processors if none: at least one."""
    return max(1, demand.tasks * devices_of(demand.options[0].per_task))


def devices_of(per_task: Resources) -> int:
    """The accelerators of an amount, or its processors if there are none; parts count as whole."""
    return -(-(per_task.accelerators_total or per_task.cpu_milli) // 1000)


def level_of(served: Duration) -> int:
    """The level of a job that has had so much device-time; 0 is served first."""
    return bisect_right(LAS_LEVELS, served)
