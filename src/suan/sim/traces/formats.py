"""Every format of trace: one line each. Adding one is a file beside this and a line here.

``suan.sim.traces.journal`` reads suan's own journal and is found by its URL instead.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from suan.model.units import Instant
from suan.sim.traces import openb, pai, philly, sacct, swf
from suan.sim.traces.job import TraceJob
from suan.sim.traces.tally import Tally

Read: TypeAlias = Callable[[Path, Tally, Instant], Iterator[TraceJob]]
"""Jobs in the file's order, submitted ``origin`` earlier than the file says."""


class Format(NamedTuple):
    """A format: what it is, how a file's beginning shows it, and how it is read."""

    title: str
    sniff: Callable[[str], bool]
    read: Read


FORMATS: dict[str, Format] = {
    "swf": Format("Standard Workload Format", swf.sniff, swf.read),
    "philly": Format("Microsoft Philly", philly.sniff, philly.read),
    "pai-hours": Format("Alibaba PAI as sampled by GAIA, hours", pai.sniff_hours, pai.read_hours),
    "pai": Format("Alibaba PAI as sampled by GAIA, seconds", pai.sniff_seconds, pai.read_seconds),
    "openb": Format("Alibaba openb pods", openb.sniff, openb.read),
    "sacct": Format("Slurm: sacct --parsable2", sacct.sniff, sacct.read),
}
"""By name, in the order in which a file is tried against them."""

JOURNAL = "journal"
