"""Growing: an elastic run that saves its work is resized to have what has been idle for a while.

It needs room that nobody who waits could use (``core.elastic``), without a break for the policy's
``min_run_time`` while it has run for that long itself; and the time that more nodes save must be
more than what is lost: the work since it last saved, and the time in which it saves and stops.
Of each pool one run at a time grows, the one that was started first. Room is not kept for it
meanwhile: who comes goes first.
"""

from suan.core.deadlines import NEVER, grace_of
from suan.core.elastic import Extras, candidate_of
from suan.core.records import RunRecord
from suan.core.resizing import is_barred
from suan.core.state import State
from suan.model.job import Cause
from suan.model.units import MINUTE, Duration, Instant


def growing(state: State, now: Instant) -> list[tuple[RunRecord, int]]:
    """The runs that are to grow now, and by how many tasks; when to look again is noted."""
    state.grow_at, next_at = None, NEVER
    runs = _with_room(state, now)
    if not runs:
        return []
    extras, found = Extras(state, now, runs), list[tuple[RunRecord, int]]()
    busy = {run.pool for run in state.growable.values() if is_growing(run)}
    for run in runs:
        more = extras.count(run)
        if not more:
            run.room_since = None
            continue
        if run.room_since is None:
            run.room_since = now
        at = max(run.room_since, run.began) + state.policy.min_run_time
        if at <= now:
            at = _worth_at(run, more, now)
        if at > now:
            state.grow_at = next_at = min(next_at, at)
        elif run.pool not in busy:
            busy.add(run.pool)
            found.append((run, more))
    return found


def is_growing(run: RunRecord) -> bool:
    """Whether a run was told to stop so as to have more."""
    return run.stopping is Cause.RESIZED and run.makes_room_for is None


def grow(state: State, run: RunRecord, now: Instant) -> None:
    """A run was told to go on with more."""
    run.stopping, run.keeps = Cause.RESIZED, run.nodes
    state.expect_end(run, now + grace_of(run))


def _with_room(state: State, now: Instant) -> list[RunRecord]:
    """Those in whose pools one more task would fit, by when they were started; but for those whose
    jobs might then be kept from going on."""
    found = []
    for run in sorted(state.growable.values(), key=lambda each: each.number):
        stays = run.stopping is None and not _may_not_go_on(state, run, now)
        candidate = candidate_of(run) if stays else None
        if candidate is not None and any(f.tightest(need) for f, need in candidate.kinds):
            found.append(run)
        else:
            run.room_since = None
    return found


def _may_not_go_on(state: State, run: RunRecord, now: Instant) -> bool:
    """Whether a budget, or a reservation in advance, may keep a run's job from where it is."""
    if run.job.told.user in state.quotas.budgets.purses:
        return True
    return bool(state.advance.kept) and is_barred(state, run, now)


def _worth_at(run: RunRecord, more: int, now: Instant) -> Instant:
    """When it is worth it to have more: now, or to be asked again then."""
    ran, tasks = max(now - run.began, 0), len(run.nodes)
    saves = run.job.told.checkpoint
    interval = saves.interval if saves is not None else None
    lost = ran % interval if interval else 0
    if interval and lost * (tasks + more) > (interval - lost) * more:
        return now + interval - lost  # to wait for that costs less than what is lost
    left = _left(run, ran)
    gained = left // tasks - left // (tasks + more)
    if gained > lost + grace_of(run):
        return now
    return now + (interval - lost if interval else max(ran, MINUTE))


def _left(run: RunRecord, ran: Duration) -> Duration:
    """How much its job still has to do, in task-µs: what it is expected to take with its minimum,
    without what it has had; where that is not known, or is over, as much again as it has had."""
    job, tasks = run.job, len(run.nodes)
    had = job.served * tasks // max(run.devices, 1) + ran * tasks
    left = job.expected * job.told.demand.tasks - had
    return left if left > 0 else had
