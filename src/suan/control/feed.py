"""The feed: what happened, for people and programs that watch.

``FEED_KINDS`` is the one table of kinds; each is documented in ``docs/reference/events.md``.
"""

from suan.model.job import Run
from suan.model.store import FeedEntry
from suan.model.units import Instant, JobId, PoolName

# kind → (what it means, the keys of its data)
FEED_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "job.submitted": ("The leader has taken a job into the line.", ("name", "queue", "user")),
    "job.requeued": ("A job goes back in line after a run.", ("detail", "not_before")),
    "job.cancelling": ("The leader has taken a request to cancel a job.", ("by",)),
    "job.finished": (
        "A job has reached a final state.",
        ("state", "exit_code", "detail"),
    ),
    "job.held": ("A job waits on purpose, because a later start costs less.", ("until", "detail")),
    "run.placed": (
        "A run is recorded; its pool will be told.",
        ("pool", "nodes", "attempt", "reason"),
    ),
    "run.delivering": (
        "What a run needs is on its way to its pool: bytes that are there, and bytes in all.",
        ("pool", "done", "size"),
    ),
    "run.started": ("A pool says that a run's tasks run.", ("pool",)),
    "run.stopping": ("A run is asked to end.", ("pool", "cause", "detail")),
    "run.ended": ("A run is over.", ("pool", "cause", "exit_code", "detail")),
    "pool.joined": ("A pool is seen for the first time in this term.", ("pool", "nodes")),
    "pool.lost": (
        "A pool does not answer or takes no runs; nothing new goes there.",
        ("pool", "detail"),
    ),
    "pool.doubted": (
        "A pool said what cannot be true; it is not believed.",
        ("pool", "doubt", "detail"),
    ),
    "pool.back": ("A lost pool answers again.", ("pool", "nodes")),
    "pool.drained": ("An operator drains a pool.", ("pool", "by")),
    "pool.undrained": ("An operator takes a drain back.", ("pool", "by")),
    "queue.changed": (
        "A queue is made or changed.",
        ("queue", "weight", "discipline", "open", "guarantee", "ceiling", "cohort", "by"),
    ),
    "tenant.changed": (
        "A tenant's weight or quota is set.",
        ("tenant", "weight", "guarantee", "ceiling", "cohort", "by"),
    ),
    "limits.changed": (
        "What a user may have is set.",
        ("user", "running", "pending", "device_hours", "money", "by"),
    ),
    "reservation.made": (
        "An operator keeps nodes in advance.",
        ("name", "pool", "nodes", "begin", "end", "tenants", "users", "reason", "by"),
    ),
    "reservation.cancelled": ("A reservation keeps nothing any more.", ("name", "by")),
    "reservation.refused": (
        "Another reservation was recorded first that keeps one of the nodes.",
        ("name", "detail", "by"),
    ),
    "leader.changed": ("A process has begun to lead.", ("holder", "url", "token")),
}


def entry(
    kind: str, at: Instant, job: JobId | None = None, *, run: Run | None = None, **data: object
) -> FeedEntry:
    """One entry; the store gives it its id. Empty values are left out.

    Raises:
        KeyError: the kind, or one of its data, is not in ``FEED_KINDS``.
    """
    keys = FEED_KINDS[kind][1]
    if unlisted := set(data).difference(keys):
        raise KeyError(f"{kind} has no {sorted(unlisted)}")
    return FeedEntry(
        id=0,
        at=at,
        kind=kind,
        job=run.job if run is not None else job,
        run=run.id if run is not None else None,
        data={key: str(data[key]) for key in keys if data.get(key) not in (None, "")},
    )


def run_placed(run: Run) -> FeedEntry:
    """A run has been placed."""
    reason = run.reasons[0] if run.reasons else ""
    return entry(
        "run.placed",
        run.placed_at,
        run=run,
        pool=run.pool,
        nodes=len(run.nodes),
        attempt=run.attempt,
        reason=reason,
    )


def run_ended(run: Run, at: Instant) -> FeedEntry:
    """A run is over."""
    assert run.outcome is not None
    outcome = run.outcome
    return entry(
        "run.ended",
        at,
        run=run,
        pool=run.pool,
        cause=outcome.cause.value,
        exit_code=outcome.exit_code,
        detail=outcome.detail,
    )


def pool_seen(kind: str, at: Instant, pool: PoolName, *, nodes: int) -> FeedEntry:
    """A pool has joined or is back."""
    return entry(kind, at, pool=pool, nodes=nodes)
