"""The scheduler: a pure, deterministic state machine. Events go in, plans come out.

Contract: ``Scheduler`` is all there is to call. The same calls in the same order give the same
plans, byte for byte, on any machine. Times are integer microseconds, money integer micro-units,
processors and accelerators thousandths, memory MiB.

Where to read: ``cycle`` is one pass, step by step; ``filters`` and ``scorers`` are its two tables;
``line`` is the order; ``packing`` finds nodes; ``retry`` says what follows a run's end.

Not for: I/O, clocks, randomness, logging or threads (a contract enforces it). It launches nothing
and records nothing: ``suan.control`` does.
"""

from suan.core.scheduler import Scheduler
from suan.core.views import OpenRun, QueueCounts

__all__ = ["OpenRun", "QueueCounts", "Scheduler"]
