"""Why here, and why not there: what the pools say to a shape, with a placement.

A placement is told by what the search found out on its way. Most of that is the same for every
job of a shape and is kept in its ``grounds``. Of a waiting job every pool is asked anew
(``core.waiting``).
"""

from bisect import bisect_left
from typing import TYPE_CHECKING

from suan.core.matching import Grounds, Match, Shape, full_of, mask_of
from suan.core.packing import fits
from suan.core.records import JobRecord
from suan.model.errors import InvariantViolation
from suan.model.plan import Cost
from suan.model.refusal import Refusal, RefusalCode
from suan.model.units import PoolName

if TYPE_CHECKING:
    from suan.core.advance_words import KeptFrom
    from suan.core.backfill import Backfill
    from suan.core.line import Contest
    from suan.core.search import Promise
    from suan.core.state import State

Front = list[tuple[int, int, "Contest"]]  # as in ``core.line``
Holders = list[tuple[int, JobRecord]]  # earlier jobs that wait, and the flavors they hold
Reasons = tuple[tuple[Cost, ...], tuple[Refusal, ...]]


def of_placement(
    shape: Shape, chosen: int, allowed: int, *, before: Front, kept: "KeptFrom | None"
) -> Reasons:
    """What is said when candidate number ``chosen`` is the first that takes the job.

    ``allowed`` has the flavors that no earlier job, of those that wait ``before`` it, holds, but
    for what reservations have ``kept`` from it. Pools that come later were not asked; those that
    came before are full, or behind an earlier job.
    """
    grounds = shape.grounds.get(chosen)
    if grounds is None:
        grounds = shape.grounds[chosen] = _grounds(shape, chosen)
    if not grounds.mask & ~allowed:
        return grounds.costs, grounds.all_full
    open_, passed = shape.mask if kept is None else kept.usable, []
    for match in grounds.passed:
        said = None if kept is None else kept.word_of(match)
        if said is None and (held := match.mask & open_ & ~allowed):
            said = _behind(match, _holder_of(held, before))
        passed.append(said or full_of(match))
    return grounds.costs, (*passed, *shape.standing)


def _grounds(shape: Shape, chosen: int) -> Grounds:
    costs: dict[PoolName, Cost] = {}
    for candidate in shape.candidates[chosen:]:
        costs.setdefault(candidate.pool.name, candidate.cost)
    before = dict.fromkeys(candidate.pool.name for candidate in shape.candidates[:chosen])
    passed = tuple(shape.matches[name] for name in before if name not in costs)
    all_full = (*map(full_of, passed), *shape.standing)
    return Grounds(tuple(costs.values()), passed, mask_of(passed), all_full)


def of_backfill(
    shape: Shape, chosen: int, backfill: "Backfill", *, kept: "KeptFrom | None"
) -> Reasons:
    """What is said when candidate number ``chosen`` takes a job that passes others: of the pools
    that come before it, those with a reservation keep what they have for that."""
    grounds = shape.grounds.get(chosen)
    if grounds is None:
        grounds = shape.grounds[chosen] = _grounds(shape, chosen)
    keeps = {each.candidate.pool.name: each.job for each in backfill.reservations}
    passed = []
    for match in grounds.passed:
        held = next((job for mask, job in backfill.closed if mask & match.mask), None)
        holder = held or keeps.get(match.pool.name)
        said = None if kept is None else kept.word_of(match)
        if said is None and holder is not None:
            said = _behind(match, holder)
        passed.append(said or full_of(match))
    return grounds.costs, (*passed, *shape.standing)


def of_promise(shape: Shape, chosen: int, promised: "dict[JobRecord, Promise]") -> Reasons:
    """What is said when candidate number ``chosen`` takes a job whose promised time has come: what
    is free in pools that come before is promised to others."""
    grounds = shape.grounds.get(chosen)
    if grounds is None:
        grounds = shape.grounds[chosen] = _grounds(shape, chosen)
    passed = [promised_there(match, promised) or full_of(match) for match in grounds.passed]
    return grounds.costs, (*passed, *shape.standing)


def promised_there(
    match: Match, promised: "dict[JobRecord, Promise]", but: JobRecord | None = None
) -> Refusal | None:
    """Who is the first, ``but`` for one, to be promised something in a pool that has room now."""
    pool = match.pool.name
    times = [
        (promise.at, job.order, job)
        for job, promise in promised.items()
        if promise.pool == pool and job is not but
    ]
    if not times or not any(fits(each, each.mask) for each in match.candidates):
        return None
    at, _, first = min(times, key=lambda each: each[:2])
    return Refusal(
        code=RefusalCode.BEHIND_EARLIER_JOB,
        pool=pool,
        detail=f"what is free there is promised to others, to job {first.id} first",
        unblocked_by=f"job {first.id} starts or is cancelled",
        behind=first.id,
        until=at,
    )


def _behind(match: Match, holder: JobRecord) -> Refusal:
    pool = match.pool
    if pool.behind is None or pool.behind[0] != holder.id:
        refusal = Refusal(
            code=RefusalCode.BEHIND_EARLIER_JOB,
            pool=pool.name,
            detail=f"what is free there is kept for job {holder.id}, which comes earlier",
            unblocked_by=f"job {holder.id} starts or is cancelled",
            behind=holder.id,
        )
        pool.behind = (holder.id, refusal)
    return pool.behind[1]


def _holder_of(mask: int, before: Front) -> JobRecord:
    """The first of the earlier jobs that hold some of these flavors."""
    for _, flavors, contest in before:
        if flavors & mask and contest.head is not None:
            return contest.head
    raise InvariantViolation(f"flavors {mask:b} are held by nobody")


def holders_before(state: "State", job: JobRecord) -> Holders:
    """The earlier jobs that wait, each first in its contest, and the flavors they hold."""
    front = state.line.front
    found: Holders = []
    for _, mask, contest in front[: bisect_left(front, (job.order,))]:
        first = contest.first()
        assert first is not None
        found.append((mask, first))
    return found
