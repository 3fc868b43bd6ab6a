"""What a simulation came to: exact sums, distributions and series, in bounded memory.

Contract: ``Recorder`` is told what happens and gives one ``Result``; ``Ended`` is a job that has
left the system. Counts, sums, maxima and so every mean are exact integers; quantiles are good to
0.8 % (less fine for groups where there are very many, and a distribution says how fine it is).
A trace of any length takes the same memory, but for one line of sums for each tenant, pool,
priority and size class. The same calls give the same result, byte for byte.

Not for: deciding or simulating (``suan.sim``), or showing (``suan.sim.report``).
"""

from suan.sim.results.ended import Ended, RowWriter
from suan.sim.results.groups import Group, Rest, largest
from suan.sim.results.histogram import Distribution
from suan.sim.results.recorder import Recorder
from suan.sim.results.result import Result
from suan.sim.results.spans import Gantt, Span
from suan.sim.results.timeline import Bucket, Timeline

__all__ = [
    "Bucket",
    "Distribution",
    "Ended",
    "Gantt",
    "Group",
    "Recorder",
    "Rest",
    "Result",
    "RowWriter",
    "Span",
    "Timeline",
    "largest",
]
