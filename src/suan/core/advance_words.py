"""Why a reservation keeps a job out, in words."""

from collections.abc import Iterable

from suan.core.advance import opening
from suan.core.flavors import Flavor
from suan.core.matching import Match
from suan.core.records import JobRecord
from suan.core.state import State
from suan.core.wording import listed, span
from suan.model.refusal import Refusal, RefusalCode
from suan.model.reservation import Reservation
from suan.model.units import Instant


class KeptFrom:
    """What reservations keep from a job that starts now elsewhere. The flavors ``usable`` are not
    kept from it."""

    __slots__ = ("job", "now", "state", "usable")

    def __init__(self, state: State, job: JobRecord, now: Instant, *, usable: int) -> None:
        self.state = state
        self.job = job
        self.now = now
        self.usable = usable

    def word_of(self, found: Match) -> Refusal | None:
        """What a pool says all of which is kept from it."""
        if found.mask & self.usable:
            return None
        kept = first_to_open(self.state, self.job, found, now=self.now)
        if kept is None:
            return None
        return reserved(self.job, kept[0], self.now, until=kept[1], limit=False)


def kept_from(state: State, job: JobRecord, now: Instant) -> KeptFrom | None:
    """What is kept from a job in line, if anything is."""
    if not job.bars:
        return None
    assert job.shape is not None
    usable = job.shape.usable(state.capacity.closed_to(job.bars))
    return KeptFrom(state, job, now, usable=usable)


def first_to_open(
    state: State, job: JobRecord, found: Match, *, now: Instant
) -> tuple[Reservation, Instant] | None:
    """Of all flavors that a pool keeps from a job now, the first to open again: what keeps it,
    and when it opens. ``None``: none is kept from it."""
    spans = state.advance.spans(job)
    best: tuple[Instant, str] | None = None
    for flavor in _flavors(found):
        names = [name for name in flavor.key[3] if name in spans]
        keeping = [name for name in names if spans[name][0] <= now < spans[name][1]]
        if keeping:
            first = opening(spans, flavor.key[3], now), keeping[0]
            best = min(best or first, first)
    return None if best is None else (state.advance.kept[best[1]], best[0])


def _flavors(found: Match) -> Iterable[Flavor]:
    return {id(f): f for each in found.candidates for f, _ in each.kinds}.values()


def reserved(
    job: JobRecord, kept: Reservation, now: Instant, *, until: Instant, limit: bool
) -> Refusal:
    """What a pool says that keeps nodes from a job. With ``limit`` a shorter one would start."""
    if job.told.demand.reservation == kept.name:
        return _asked_for(job, kept, now)
    one = len(kept.nodes) == 1
    named = f"{listed(list(kept.nodes))} {'is' if one else 'are'} reserved {_whom(kept)}"
    about = f"{kept.name}: {kept.reason}" if kept.reason else kept.name
    left = span(kept.begin - now)
    mend = ""
    if kept.begin <= now:
        detail = f"{named} ({about}) for {span(kept.end - now)} more"
    else:
        needs = f"may run for {span(job.told.time_limit)}" if job.told.time_limit else ""
        detail = (
            f"{named} ({about}) in {left}, for {span(kept.end - kept.begin)}; this job"
            f" {needs or 'has no time limit'}, and so might run into that"
        )
        mend = f", or this job is given a time limit of at most {left}" if limit else ""
    return Refusal(
        code=RefusalCode.RESERVED,
        pool=kept.pool,
        detail=detail,
        unblocked_by=f"reservation {kept.name} ends or is cancelled{mend}",
        until=until,
    )


def _asked_for(job: JobRecord, kept: Reservation, now: Instant) -> Refusal:
    """What a pool says whose nodes are in the very reservation that the job asks to run in."""
    told = job.told
    if kept.admits(told.tenant, told.user):
        detail = f"the job asks to run in reservation {kept.name}, which begins in"
        detail += f" {span(kept.begin - now)}"
        mend, until = f"reservation {kept.name} begins", kept.begin
    else:
        user = f" and user {told.user}" if told.user else ""
        detail = f"the job asks to run in reservation {kept.name}, which is {_whom(kept)}; it does"
        detail += f" not admit tenant {told.tenant}{user}"
        mend, until = f"reservation {kept.name} is made anew for it, or it asks for none", None
    return Refusal(
        code=RefusalCode.RESERVED, pool=kept.pool, detail=detail, unblocked_by=mend, until=until
    )


def _whom(kept: Reservation) -> str:
    """Who is admitted."""
    named = [f"tenant {name}" for name in kept.tenants] + [f"user {name}" for name in kept.users]
    return f"for {listed(named)}" if named else "for maintenance"
