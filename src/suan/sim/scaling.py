"""How much faster an elastic job is with more nodes than it needs at least: Amdahl's law.

Of the work a share ``parallel`` (thousandths; 1000 is linear) is spread over the nodes, and the
rest takes as long as with the least. Work is measured in the time that it takes with the least.
"""

from suan.model.units import Duration, Thousandths


def lasts(work: Duration, least: int, nodes: int, *, parallel: Thousandths) -> Duration:
    """How long some work takes with ``nodes``, where ``least`` take as long as the work itself."""
    if nodes == least:
        return work
    return work * ((1000 - parallel) * nodes + parallel * least) // (1000 * nodes)


def done_in(time: Duration, least: int, nodes: int, *, parallel: Thousandths) -> Duration:
    """How much work is done in some time with ``nodes``."""
    if nodes == least:
        return time
    return time * 1000 * nodes // ((1000 - parallel) * nodes + parallel * least)
