"""Finding the pool that keeps what a run has written and left."""

from collections.abc import Mapping

from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.job import Run
from suan.model.pool import Logs, Outputs, Pool
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


def keeper_of_outputs(pools: Mapping[PoolName, Pool], run: Run) -> Outputs:
    """The pool to ask for what a run has left. Raises as ``keeper_of_logs``."""
    pool = pools.get(run.pool)
    if pool is None:
        raise PoolUnavailable(
            f"the output of {run.id} is in pool {run.pool}, which is not configured",
            mend="add the pool again, or fetch the files where it ran",
        )
    if not isinstance(pool, Outputs):
        raise PoolRejected(
            f"pool {run.pool} keeps no output files that suan can read",
            mend="let the job write to storage of its own",
        )
    return pool
