"""Why a quota or limit keeps a job out, in words."""

from dataclasses import replace

from suan.core.budgets import MONEY, Over, promise_of
from suan.core.matching import Candidate
from suan.core.records import JobRecord
from suan.core.state import State
from suan.core.wording import amount_of, counted, listed, money, span
from suan.model.quota import BUDGET_WINDOW
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import Resources

_CODES = {
    "ceiling": RefusalCode.OVER_CEILING,
    "guarantee": RefusalCode.OVER_GUARANTEE,
    "cohort": RefusalCode.NOTHING_TO_BORROW,
}


def forbids(state: State, job: JobRecord, candidate: Candidate) -> Refusal | None:
    """What a quota, a limit, or whom it keeps out before this job, has against a candidate."""
    quotas = state.quotas
    if not quotas.count:
        return None
    if quotas.at_limit(job):
        return _at_limit(state, job, candidate)
    if quotas.short(job, candidate) is not None:
        return _short(state, job, candidate)
    over = quotas.over(job, candidate)
    if over is not None:
        return _over(state, job, candidate, over=over)
    blocker = next((each for each in state.line.blockers(job.account) if each is not job), None)
    if blocker is None:
        return None
    return Refusal(
        code=RefusalCode.BEHIND_EARLIER_JOB,
        pool=candidate.pool.name,
        detail=f"job {blocker.id}, which comes before it, waits: {_cause(state, blocker)}",
        unblocked_by=f"job {blocker.id} starts or is cancelled",
        behind=blocker.id,
    )


def withheld(state: State, job: JobRecord) -> Refusal | None:
    """What a quota or limit has against a job, whichever pool would take it."""
    if not state.quotas.count or job.shape is None:
        return None
    said = [forbids(state, job, each) for each in job.shape.candidates]
    against = [each for each in said if each is not None]
    if not said or len(against) < len(said):
        return None
    passing = [each for each in against if not each.permanent]
    return replace((passing or against)[0], pool=None)


def _at_limit(state: State, job: JobRecord, candidate: Candidate) -> Refusal:
    most = state.quotas.limits[job.told.user].running or 0
    return Refusal(
        code=RefusalCode.OVER_USER_LIMIT,
        pool=candidate.pool.name,
        detail=f"user {job.told.user} may have {counted(most, 'job')} running at once, and has",
        unblocked_by="one of them ends, or an operator raises the limit"
        if most
        else "an operator raises the limit",
        permanent=not most,
    )


def _over(state: State, job: JobRecord, candidate: Candidate, *, over: Over) -> Refusal:
    """Why a budget does not allow it, in sums, and when what was used is used long enough ago."""
    now, tells = state.quotas.budgets.now, promise_of(job)
    if over.which == MONEY:
        currency = candidate.pool.offer.terms.currency
        used, promised, need, most = (money(n, currency) for n in _sums(over))
        what, code = "", RefusalCode.OVER_MONEY
    else:
        used, promised, need, most = (_hours(n) for n in _sums(over))
        what, code = " device-hours", RefusalCode.OVER_DEVICE_HOURS
    never = max(over.need, 1) > over.most
    mends = []
    if over.frees_at is not None and not never:
        mends.append(f"enough of that is used long enough ago, in {span(over.frees_at - now)}")
    if over.promised and not never:
        mends.append("runs end that used less than they may")
    if never and over.most:
        mends.append("it is given a shorter time limit")
    asks = f"this job may need {need}" if tells else "this job tells no time limit"
    return Refusal(
        code=code,
        pool=candidate.pool.name,
        detail=f"user {job.told.user} may use {most}{what} in {span(BUDGET_WINDOW)}, has used"
        f" {used}, and runs that go on may use {promised}; {asks}",
        unblocked_by=", or ".join([*mends, "an operator raises the limit"]),
        permanent=never,
        until=None if never else over.frees_at,
    )


def _sums(over: Over) -> tuple[int, int, int, int]:
    return over.used, over.promised, over.need, over.most


def _hours(device_ms: int) -> str:
    """Hours of a device, rounded up to hundredths: ``1,200``, ``0.25``."""
    whole, rest = divmod(-(-device_ms * 100 // 3_600_000), 100)
    return f"{whole:,}.{rest:02d}".rstrip("0").rstrip(".")


def _short(state: State, job: JobRecord, candidate: Candidate) -> Refusal:
    quotas = state.quotas
    found = quotas.short(job, candidate)
    assert found is not None
    which, (holder, name), kind, over = found
    quota = quotas.quotas[holder, name]
    never = quotas.short(job, candidate, state.runs.values()) is not None
    if which == "cohort":
        whose = f"the {holder}s of cohort {quota.cohort}"
        what = "all their guarantees together"
    else:
        whose = f"{holder} {name}"
        limits = dict(quota.ceiling if which == "ceiling" else quota.guarantee)
        what = f"its {which} of {_amount(kind, limits.get(kind, 0))}"
    told = Refusal(
        code=_CODES[which],
        pool=candidate.pool.name,
        detail=f"{whose} would hold {_amount(kind, over)} more than {what}",
        unblocked_by=f"{'' if never else f'runs of {whose} end, or '}an operator raises the quota",
        permanent=never,
    )
    return _taking_back(told, job) if job.making_room else told


def _taking_back(told: Refusal, job: JobRecord) -> Refusal:
    """What others borrowed of its queue's guarantee is on its way back."""
    runs = [f"run {name}" for name in sorted(job.making_room or ())]
    one = len(runs) == 1
    return replace(
        told,
        detail=f"{told.detail}; {listed(runs)} {'is' if one else 'are'} ending to make room for it",
        unblocked_by=f"{listed(runs)} {'has' if one else 'have'} ended",
    )


def _cause(state: State, blocker: JobRecord) -> str:
    """What a blocker waits for."""
    found = withheld(state, blocker)
    return "for a quota or limit" if found is None else found.detail


def _amount(kind: str, amount: int) -> str:
    if kind == "cpu":
        return amount_of(Resources(cpu_milli=amount))
    if kind == "memory":
        return amount_of(Resources(memory_mib=amount))
    return amount_of(Resources(accelerators=((kind, amount),)))
