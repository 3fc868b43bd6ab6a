"""What every task finds in its environment, whatever the pool (docs/reference/job-file.md)."""

from collections.abc import Sequence

from suan.model.errors import PoolRejected
from suan.model.pool import Launch
from suan.model.units import job_of


def common(launch: Launch, addresses: Sequence[str], *, devices: int) -> dict[str, str]:
    """The user's variables, and of suan's own those that a whole run has in common. ``addresses``
    are the tasks' by rank; each task has ``devices`` accelerators.

    Raises:
        PoolRejected: a name or a value that no environment can hold.
    """
    given = settable(launch)
    run = launch.run if launch.known_as is None else launch.known_as
    job = launch.job if launch.known_as is None else job_of(launch.known_as)
    tasks, listed = str(len(addresses)), "\n".join(addresses)
    return given | {
        "SUAN_JOB_ID": job,
        "SUAN_RUN_ID": run,
        "SUAN_NUM_NODES": tasks,
        "SUAN_NODE_IPS": listed,
        "SKYPILOT_NODE_IPS": listed,
        "SKYPILOT_NUM_NODES": tasks,
        "SKYPILOT_NUM_GPUS_PER_NODE": str(devices),
        "SKYPILOT_TASK_ID": run,
        "MASTER_ADDR": addresses[0],
    }


def settable(launch: Launch) -> dict[str, str]:
    """The user's variables.

    Raises:
        PoolRejected: a name or a value that no environment can hold.
    """
    given = {**launch.env, **launch.secrets}
    for name, value in given.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise PoolRejected(
                f"the environment variable {name!r} cannot be set",
                mend="names must not be empty or hold '=', and values must hold no NUL",
            )
    return given
