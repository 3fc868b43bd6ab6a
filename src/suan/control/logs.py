"""Finding the pool that keeps a run's output."""

from collections.abc import Mapping

from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.job import Run
from suan.model.pool import Logs, Pool
from suan.model.units import PoolName


def keeper_of_logs(pools: Mapping[PoolName, Pool], run: Run) -> Logs:
    """The pool to ask.

    Raises:
        PoolUnavailable: it is not configured.
        PoolRejected: it keeps no logs.
    """
    pool = pools.get(run.pool)
    if pool is None:
        raise PoolUnavailable(
            f"the log of {run.id} is in pool {run.pool}, which is not configured",
            mend="add the pool again, or read the log where it ran",
        )
    if not isinstance(pool, Logs):
        raise PoolRejected(f"pool {run.pool} keeps no logs that suan can read")
    return pool
