"""A job of a trace."""

import msgspec

from suan.model.demand import Demand
from suan.model.spec import Checkpoint, RetryPolicy
from suan.model.units import Duration, Instant, JobId, QueueName, TenantName

DEFAULT_QUEUE = QueueName("default")
DEFAULT_TENANT = TenantName("default")
NO_RETRY = RetryPolicy()


class TraceJob(msgspec.Struct, frozen=True, gc=False):
    """One job as recorded. A msgspec struct, for there are millions and a dataclass takes five
    times as long to make.

    ``submit`` counts from the trace's first submission. ``runtime`` is how long it really ran and
    ``requested`` its user's own figure or time limit, if there is one. ``line`` is where it
    stands in the file. ``after`` names jobs of the same trace alone.
    """

    job: JobId
    line: int
    submit: Instant
    runtime: Duration
    demand: Demand
    requested: Duration | None = None
    user: str = ""
    tenant: TenantName = DEFAULT_TENANT
    queue: QueueName = DEFAULT_QUEUE
    name: str = ""
    priority: int = 0
    deadline: Instant | None = None
    expected: Duration | None = None
    after: tuple[tuple[JobId, str], ...] = ()
    retry: RetryPolicy = NO_RETRY
    checkpoint: Checkpoint | None = None
    command: str = ""


def job_id(line: int) -> JobId:
    """What a job is called that its trace gives no name to."""
    return JobId(f"line-{line}")
