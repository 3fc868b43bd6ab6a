"""Who comes before a waiting job, and by what: the order in words."""

from suan.core.disciplines import SEQ_BITS, STANDING_SHIFT, devices_of
from suan.core.records import JobRecord
from suan.core.shares import Account
from suan.core.state import State
from suan.core.wording import span
from suan.model.policy import Discipline
from suan.model.units import SECOND

_KEY = (1 << (STANDING_SHIFT - SEQ_BITS)) - 1
_LAST = _KEY  # the key of a job of which nothing is known

BY_SUBMISSION = "it was submitted earlier"


def ahead(state: State, job: JobRecord) -> tuple[int, JobRecord | None]:
    """How many jobs, of any queue, come before it for something that it could use, and the first
    of them. Takes a step for each job in line."""
    assert job.shape is not None
    lane = job.lane
    mask = lane.contest.mask if lane is not None and lane.contest is not None else job.shape.mask
    count, first = 0, None
    for other in state.line.shapes.values():
        if not other.mask & mask:
            continue
        for lane in other.waiting:
            if lane.contest is None or not lane.contest.mask & mask:
                continue
            before = job.order - lane.account.offset
            count += sum(
                rank < before and each.entry == entry and each.id != job.id
                for rank, entry, each in lane.waiting
            )
            head = lane.head()
            if head is not None and head.order < job.order and head.id != job.id:
                first = head if first is None or head.order < first.order else first
    return count, first


def because(state: State, job: JobRecord, other: JobRecord) -> str:
    """By what another job comes before this one, as a clause about the other; empty if it does
    not."""
    if other.order >= job.order:
        return ""
    if other.told.priority != job.told.priority:
        return f"its priority is {other.told.priority}, this one's {job.told.priority}"
    if other.hurries and not job.hurries:
        return "it would miss its deadline otherwise"
    if other.account.offset != job.account.offset:
        return _by_share(job.account, other.account)
    kinds = _discipline(state, job), _discipline(state, other)
    if _key(job) == _key(other):
        return BY_SUBMISSION
    if kinds[0] != kinds[1]:
        return f"its queue's order is {kinds[1]}, this one's {kinds[0]}"
    return _by_key(kinds[0], job, other)


def _discipline(state: State, job: JobRecord) -> Discipline:
    return state.queue(job.told.queue).discipline or state.policy.discipline


def _key(job: JobRecord) -> int:
    return (job.rank >> SEQ_BITS) & _KEY


def _by_share(own: Account, other: Account) -> str:
    """Told where the ways from the queue to the tenant part."""
    for depth, (mine, its) in enumerate(zip(own.path, other.path, strict=False)):
        if mine is not its and mine.value > its.value:
            return (
                f"{_name(other, depth)} has had less for its weight"
                f" ({span(its.value * SECOND)} of all there is, {_name(own, depth)}"
                f" {span(mine.value * SECOND)})"
            )
    return "by fair share its tenant comes first"


def _name(account: Account, depth: int) -> str:
    if not depth:
        return f"queue {account.queue}"
    if depth == len(account.path) - 1:
        return f"user {account.user}" if account.user else "who has no name"
    return f"tenant {'/'.join(account.tenant.split('/', len(account.path) - 3)[:depth])}"


def _by_key(discipline: Discipline, job: JobRecord, other: JobRecord) -> str:
    if discipline == "edf":
        own = "a later one" if job.told.deadline is not None else "none"
        return f"its deadline comes first, and this one has {own}"
    if discipline == "las":
        return "it has been served less so far"
    if _key(job) == _LAST:
        return "it is known how long it will run, and of this one it is not"
    if discipline == "qssf":
        return (
            f"it is expected to take {_service(other)} of one device in all,"
            f" this one {_service(job)}"
        )
    return f"it is expected to run for {span(other.expected)}, this one for {span(job.expected)}"


def _service(job: JobRecord) -> str:
    demand = job.told.demand
    devices = max(1, demand.tasks * devices_of(demand.options[0].per_task))
    return span(job.expected * devices)
