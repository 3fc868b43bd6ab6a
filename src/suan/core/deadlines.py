"""Deadlines: who must start now or misses his, and whose run may stop for that.

A job *takes* what it is expected to, or its time limit, or what runs alike stay within; its *latest
start* lies so long before its deadline. When that is as near as a minute and the longest grace of
what runs in the pools it could use, the job *hurries*: it comes first of its priority class until
it starts, or until it is too late. What it may then displace, beyond what its class may, is told by
``yields_at``; ``core.preemption`` chooses among those as ever.

Why there is no circle: a run whose job hurried is displaced by a higher class, or by a queue that
takes back its guarantee, and by nobody else. So each start in a hurry takes one job, for as long
as that runs, out of the number of those that others may displace for a deadline.
"""

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

from suan.model.units import MINUTE, SECOND, Duration, Instant, JobId

if TYPE_CHECKING:
    from suan.core.records import JobRecord, RunRecord
    from suan.core.state import State

NEVER: Instant = 1 << 62
STOPS_WITHIN: Duration = 10 * SECOND  # unless its job says how long it needs to save its work
STARTS_WITHIN: Duration = MINUTE  # to decide, to tell and to start take time as well


class Deadlines:
    """The jobs in line that have a latest start, by it."""

    __slots__ = ("_entries", "_filed")

    def __init__(self) -> None:
        self._entries: list[tuple[Instant, int, JobId, JobRecord]] = []
        self._filed: dict[JobId, Instant] = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, job: "JobRecord") -> None:
        """A job joins the line; without a latest start it is not looked at here."""
        if job.latest is not None:
            self._filed[job.id] = job.latest
            insort(self._entries, (job.latest, job.told.seq, job.id, job))

    def drop(self, job: "JobRecord") -> None:
        """A job leaves the line, or can no longer be saved."""
        at = self._filed.pop(job.id, None)
        if at is not None:
            del self._entries[bisect_left(self._entries, (at, job.told.seq, job.id))]

    def until(self, at: Instant) -> "list[JobRecord]":
        """Those whose latest start is not after an instant, the most urgent first."""
        return [job for *_, job in self._entries[: bisect_right(self._entries, (at + 1,))]]

    def first_after(self, at: Instant) -> Instant | None:
        """The first latest start after an instant."""
        found = bisect_right(self._entries, (at + 1,))
        return self._entries[found][0] if found < len(self._entries) else None


def latest_start(job: "JobRecord") -> Instant | None:
    """When a job must have started so as to keep its deadline, if it has one and that is known."""
    takes = job.takes
    return job.told.deadline - takes if takes and job.told.deadline is not None else None


def hurry(state: "State", now: Instant) -> None:
    """Whose last moment has come goes before all of his class; who is too late, back again."""
    for job in state.deadlines.until(now + _longest(state)):
        assert job.latest is not None
        late = job.latest < now and not job.making_room
        hurries = not late and job.latest - _margin(job) <= now
        if hurries is not job.hurries:
            state.hurry(job, hurries=hurries)
        if late:
            state.deadlines.drop(job)


def next_look(state: "State", now: Instant) -> Instant | None:
    """When the next job must hurry, or is too late."""
    longest = _longest(state)
    times = []
    for job in state.deadlines.until(now + longest):
        assert job.latest is not None
        if job.hurries:
            times.append(job.latest + 1)
        else:  # what was started just now may take longer to stop than all that ran before
            times.append(max(job.latest - _margin(job), now + 1))
    beyond = state.deadlines.first_after(now + longest)
    if beyond is not None:
        times.append(beyond - longest)
    return min((at for at in times if at > now), default=None)


def hurries_at(job: "JobRecord") -> Instant | None:
    """From when on a job hurries, as things are; ``None`` if it has no latest start."""
    return None if job.latest is None else job.latest - _margin(job)


def grace_of(run: "RunRecord") -> Duration:
    """How long a run may take to end once it was told to."""
    checkpoint = run.job.told.checkpoint
    grace = checkpoint.grace if checkpoint is not None else None
    return STOPS_WITHIN if grace is None else grace


def yields_at(job: "JobRecord", run: "RunRecord", *, at: Instant) -> Instant:
    """``at`` if a run of the same or a lower class may then be displaced for a job's deadline; else
    never. It must help; and who has a deadline himself must keep it, though he loses what he has
    and begins again when the job has ended."""
    other = run.job
    if not job.hurries or job.latest is None or other.hurries:
        return NEVER
    free_at = at + grace_of(run)
    if other.told.priority > job.told.priority or free_at > job.latest:
        return NEVER
    if other.told.deadline is None:
        return at
    kept_from = latest_start(other)
    return at if kept_from is not None and free_at + job.takes <= kept_from else NEVER


def _longest(state: "State") -> Duration:
    pools = state.capacity.pools.values()
    return STARTS_WITHIN + max((pool.longest_grace() for pool in pools), default=0)


def _margin(job: "JobRecord") -> Duration:
    """How long before its latest start a job hurries."""
    assert job.shape is not None
    pools = (each.pool for each in job.shape.candidates)
    return STARTS_WITHIN + max((pool.longest_grace() for pool in pools), default=0)
