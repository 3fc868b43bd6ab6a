"""Why not: refusals are values with a stable code, and say what would unblock them."""

from dataclasses import dataclass
from enum import StrEnum

from suan.model.units import Instant, JobId, PoolName
from suan.model.value import quick


class RefusalCode(StrEnum):
    """Each is documented in ``docs/reference/refusals.md``; a test asserts it."""

    NO_POOLS = "no_pools"  # no pool has been joined
    INFRA_MISMATCH = "infra_mismatch"  # the job names other infrastructure
    CANNOT_DELIVER = "cannot_deliver"  # the job brings files, and the pool cannot be sent any
    FRAMEWORK_UNSUPPORTED = "framework_unsupported"
    NO_SUCH_ACCELERATOR = "no_such_accelerator"  # the pool has none of the model
    NODE_TOO_SMALL = "node_too_small"  # no node could hold one task even when empty
    GANG_TOO_LARGE = "gang_too_large"  # the whole pool, empty, could not hold every task
    OVER_HOURLY_COST = "over_hourly_cost"
    POOL_DRAINED = "pool_drained"
    POOL_UNAVAILABLE = "pool_unavailable"
    REJECTED_BY_POOL = "rejected_by_pool"  # the pool refused an earlier run of this job for good
    NO_CAPACITY = "no_capacity"  # it fits, but what it needs is in use
    BEHIND_EARLIER_JOB = "behind_earlier_job"  # an earlier job waits for the same capacity
    RESERVED = "reserved"  # an operator keeps the nodes for others, or for maintenance
    NOT_IN_RESERVATION = (
        "not_in_reservation"  # the reservation it asks for has no place for it here
    )
    OVER_CEILING = "over_ceiling"  # its queue would hold more than it ever may
    OVER_GUARANTEE = "over_guarantee"  # its queue borrows from nobody, and uses what is its own
    NOTHING_TO_BORROW = "nothing_to_borrow"  # its queue's cohort uses all that is theirs together
    OVER_USER_LIMIT = "over_user_limit"  # its user has as many jobs running as he may
    OVER_DEVICE_HOURS = "over_device_hours"  # its user's budget of device-time does not allow it
    OVER_MONEY = "over_money"  # nor that of money
    WAITS_FOR_JOBS = "waits_for_jobs"  # `after:`
    BACKING_OFF = "backing_off"  # a retry waits out its back-off
    QUEUE_CLOSED = "queue_closed"


@quick
@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one pool (or, with ``pool`` of ``None``, the whole platform) does not take a job now.

    ``permanent`` says that waiting alone will not help: something must be changed by someone;
    ``preemption_helps`` that a job of a higher priority would displace what is in the way.
    ``behind`` is the job that what is free is kept for, and ``until`` when this is expected to
    pass, where that is known.
    """

    code: RefusalCode
    pool: PoolName | None
    detail: str  # names what falls short, and by how much
    unblocked_by: str  # what would have to happen
    permanent: bool = False
    preemption_helps: bool = False
    behind: JobId | None = None
    until: Instant | None = None
