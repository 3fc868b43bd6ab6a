"""Preemption: whose runs stop, so that a job can start that may displace them.

Who may displace whom never goes in a circle:

- a job of a higher priority displaces a run of a lower one;
- at equal priority, in queues with the discipline ``las``, a job displaces a run whose job has
  attained a higher level of service, and saves its work (``checkpoint``); service only grows.
  Where fair share counts, only a run of its own account: another's job might come first by its
  share, and displaced, start again.

- where the policy has deadlines, a job that would miss its own displaces a run that has none to
  lose (``core.deadlines``);

- where the policy evens shares out, a job displaces a run of its own priority whose account has
  had more, and still will have had (``core.evening``);

- where there are quotas, a job that keeps within its queue's (or a tenant's) guarantee takes back
  what others of that cohort borrowed, whatever their priority; and what a queue's or a tenant's
  guarantee covers no job of another displaces.

Of those that may be displaced, runs shorter than the policy's ``min_run_time`` are left alone. The
cheapest in lost work go first (device-time since the last checkpoint), and nobody goes without
whom the gang would fit as well. The job waits at the head of its line until they have ended.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from suan.core.choosing import Choice
from suan.core.deadlines import NEVER, grace_of, yields_at
from suan.core.disciplines import LAS_LEVELS, level_of
from suan.core.evening import Evening
from suan.core.matching import Candidate
from suan.core.moving import Moves
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.state import State
from suan.core.without import without
from suan.model.job import Cause
from suan.model.units import MINUTE, Duration, Instant


class Victims(NamedTuple):
    """Who stops for a job, by which of its candidates; the ``movers`` among them have a place
    elsewhere."""

    candidate: Candidate | None = None
    runs: Sequence[RunRecord] = ()
    movers: Collection[RunRecord] = ()


NOBODY = Victims()
ENDS_ANYWAY: Duration = -1  # of a run that stops already, for a job that needs no room any more
Willing = tuple[list[tuple[Duration, RunRecord]], bool, Instant]
"""The pool's runs that a job may displace now, the cheapest in lost work first; whether there are
any; and when the next one may be."""


def may_displace(state: State, job: JobRecord, now: Instant) -> bool:
    """Whether it is worth looking for victims: a cheap question, asked often."""
    if not state.policy.preemption or job.making_room or now < job.nobody_yields_until:
        return False
    if state.quotas.count and state.quotas.at_limit(job):
        return False
    if job.hurries:
        return True
    priority = job.told.priority
    if min(state.priorities, default=priority) < priority:
        return True
    if priority in state.priorities and (state.policy.even_out or _by_service(state, job)):
        return True
    assert job.shape is not None
    return bool(state.quotas.cohorts) and any(
        state.quotas.may_reclaim(job, candidate) for candidate in job.shape.candidates
    )


def _by_service(state: State, job: JobRecord) -> bool:
    return (state.queue(job.told.queue).discipline or state.policy.discipline) == "las"


def _contend_by_service(state: State, job: JobRecord, other: JobRecord) -> bool:
    """Whether service alone says which of two jobs of one priority comes first."""
    if state.shares.counts and job.account is not other.account:
        return False
    return _by_service(state, job) and _by_service(state, other)


def victims(state: State, job: JobRecord, allowed: int, *, now: Instant) -> Victims:
    """Who stops for a job, by the first of its candidates for which that is enough; or nobody.

    Where some may be displaced only later, the flavors are looked at again then.
    """
    assert job.shape is not None
    by_class = _class_decides(state, job)
    anybody, next_at = False, NEVER
    moving = state.policy.even_out and now >= job.nobody_moves_until
    for candidate in job.shape.candidates:
        if not candidate.mask & allowed or state.quotas.over(job, candidate):
            continue
        evening = Evening(state, job, candidate) if state.policy.even_out else None
        if by_class:
            willing, some, later = _lower(state, job, candidate, allowed=allowed, now=now)
        else:
            willing, some, later = _willing(state, job, candidate, evening=evening, now=now)
        next_at = min(next_at, later)
        anybody = anybody or some
        if not willing and not moving:
            continue
        spares = evening.spares if evening is not None else None
        choice = Choice[RunRecord](state, job, candidate, allowed=allowed, spares=spares)
        if willing and (chosen := choice.of(willing)):
            return Victims(candidate, chosen)
        if moving:
            found = _with_moves(state, choice, willing, now=now)
            if found.runs:
                return found
    if moving:  # all that runs was looked at
        job.nobody_moves_until = now + max(state.policy.min_run_time, MINUTE)
    if not anybody:  # and whoever starts now is safe for a while
        job.nobody_yields_until = min(next_at, now + state.policy.min_run_time)
    if next_at < NEVER:
        state.alarm(job.shape.mask, next_at)
    return NOBODY


def _with_moves(
    state: State,
    choice: Choice[RunRecord],
    willing: Sequence[tuple[Duration, RunRecord]],
    *,
    now: Instant,
) -> Victims:
    """Who stops for a job if some of them go on elsewhere."""
    job, costs = choice.job, {run: cost for cost, run in willing}
    movers = {
        run: lost_work(run, now)
        for run in choice.candidate.pool.open.values()
        if run not in costs and _may_move(state, job, run, now=now)
    }
    if movers and choice.within_quota([]):
        moves = Moves(choice, costs, movers)
        if moves.clear():
            return Victims(choice.candidate, moves.going, movers)
    return NOBODY


def _may_move(state: State, job: JobRecord, run: RunRecord, *, now: Instant) -> bool:
    """Whether a run may be told to stop for a job, if it has a place elsewhere, whoever's it is."""
    if run.stopping is not None or run.job.hurries or run.job.told.priority != job.told.priority:
        return False
    if run.began + state.policy.min_run_time > now or len(set(run.nodes)) > 1:
        return False
    if state.advance.kept and stops_too_late(state, job, run, now=now):
        return False
    return not protected(state, job, run)


def yield_to(
    state: State, run: RunRecord, job: JobRecord, *, now: Instant, moves: bool = False
) -> None:
    """A run is to stop for a job; or has been told to by an earlier leader, or for another job."""
    run.makes_room_for, run.moves = job, moves
    if job.making_room is None:
        job.making_room = set()
    job.making_room.add(run.id)
    if run.stopping is None:
        run.stopping = Cause.PREEMPTED
        state.expect_end(run, now + grace_of(run))


def spare(state: State, run: RunRecord) -> None:
    """A run that was to stop, and has not been told yet, goes on: nobody needs its room now."""
    job, run.makes_room_for, run.stopping = run.makes_room_for, None, None
    run.keeps, run.moves = None, False
    if job is not None and job.making_room:
        job.making_room.discard(run.id)
    state.begin(run, run.began)


def _class_decides(state: State, job: JobRecord) -> bool:
    """Whether a job displaces lower priorities and nobody else, wherever they run."""
    if job.hurries or state.quotas.count or state.advance.kept or state.policy.even_out:
        return False
    return not _by_service(state, job)


def _lower(
    state: State, job: JobRecord, candidate: Candidate, *, allowed: int, now: Instant
) -> Willing:
    """Where its class alone decides: but for those without whom it has no more room."""
    pool, priority, least = candidate.pool, job.told.priority, state.policy.min_run_time
    anyway = [run for run in pool.leaving.values() if _ends_for_nobody(run)]
    some, began = pool.begun.below(priority, now - least)
    later = NEVER if began is None else began + least
    if not some and not anyway:
        return [], False, later
    nodes = without(pool, priority).nodes_for(candidate, allowed)
    if any(run.job.told.priority >= priority for run in anyway):
        nodes = set(pool.nodes)
    elif not nodes:
        return [], True, later
    found = [(ENDS_ANYWAY, run) for run in anyway]
    found += [
        (lost_work(run, now), run)
        for run in pool.begun.until(priority, now - least)
        if run.stopping is None and not nodes.isdisjoint(run.nodes)
    ]
    found.sort(key=_cheapest)
    return found, True, later


def _cheapest(each: tuple[Duration, RunRecord]) -> tuple[Duration, int]:
    return each[0], each[1].number


def _willing(
    state: State,
    job: JobRecord,
    candidate: Candidate,
    *,
    now: Instant,
    evening: Evening | None = None,
) -> Willing:
    """Of all that runs in the pool."""
    found: list[tuple[Duration, RunRecord]] = []
    later = NEVER
    quotas = state.quotas
    short = quotas.count and quotas.short(job, candidate) is not None
    runs = state.runs if short else candidate.pool.open  # a quota is one over all pools
    for run in runs.values():
        here = run.pool == candidate.pool.name
        if here and state.advance.kept and stops_too_late(state, job, run, now=now):
            continue
        if _ends_for_nobody(run):
            found.append((ENDS_ANYWAY, run))
            continue
        at = _yields_at(state, job, candidate, run=run, now=now)
        if at > now and evening is not None and not protected(state, job, run):
            at = min(at, evening.yields_at(run, now))
        if at <= now:
            found.append((lost_work(run, now), run))
        else:
            later = min(later, at)
    found.sort(key=_cheapest)
    return found, bool(found), later


def stops_too_late(state: State, job: JobRecord, run: RunRecord, *, now: Instant) -> bool:
    """Whether a reservation will keep the job from where a run is once that has ended."""
    names = [state.advance.names(run.pool, node) for node in run.nodes]
    bars = state.advance.bars(job, now + grace_of(run))
    return any(state.advance.bits(each) & bars for each in names)


def _ends_for_nobody(run: RunRecord) -> bool:
    """Whether a run was told to stop for a job that an earlier leader knew, or that has started
    elsewhere or left: its room is there for whoever displaces somebody next."""
    job = run.makes_room_for
    return run.told is Cause.PREEMPTED is run.stopping and (
        job is None or job.phase is not Phase.IN_LINE
    )


def _yields_at(
    state: State, job: JobRecord, candidate: Candidate, *, run: RunRecord, now: Instant
) -> Instant:
    """From when on a job may displace a run."""
    told = run.job.told
    if run.stopping is not None:
        return NEVER
    safe_until = run.began + state.policy.min_run_time
    by_quota = by_quota_at(state, job, candidate, run=run)
    if by_quota is not None:
        return by_quota
    if told.priority < job.told.priority:
        return safe_until
    at = yields_at(job, run, at=max(safe_until, now))
    if run.job.hurries or told.priority != job.told.priority:
        return at
    if _contend_by_service(state, job, run.job):
        at = min(at, max(safe_until, _outranked_at(run, level_of(job.served))))
    return at


def by_quota_at(
    state: State, job: JobRecord, candidate: Candidate, *, run: RunRecord
) -> Instant | None:
    """From when on quotas let a job have what a run holds, or never; ``None`` if they say nothing
    of the two."""
    quotas = state.quotas
    if protected(state, job, run):
        return NEVER
    if quotas.quotas and quotas.owes(run, job, candidate):
        return run.began + state.policy.min_run_time
    return None


def protected(state: State, job: JobRecord, run: RunRecord) -> bool:
    """Whether a guarantee that a job has no part in covers a run."""
    return bool(state.quotas.quotas) and state.quotas.protects(run, job)


def _outranked_at(run: RunRecord, level: int) -> Instant:
    """When a run's job will have attained a level above this one, if it saves its work."""
    if level >= len(LAS_LEVELS) or run.job.told.checkpoint is None:
        return NEVER
    left = LAS_LEVELS[level] - run.job.served
    return run.began + -(-left // max(run.devices, 1))


def lost_work(run: RunRecord, now: Instant) -> Duration:
    """Device-time (µs) that is thrown away if a run is stopped now: all since it began or, if it
    saves its work by itself, since it last did. What saves when it is told to loses nothing."""
    ran = max(now - run.began, 0)
    checkpoint = run.job.told.checkpoint
    if checkpoint is not None:
        ran = ran % checkpoint.interval if checkpoint.interval else 0
    return ran * run.devices
