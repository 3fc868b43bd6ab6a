"""Why a quota or limit keeps a job out, in words."""

from dataclasses import replace

from suan.core.matching import Candidate
from suan.core.records import JobRecord
from suan.core.state import State
from suan.core.wording import amount_of, counted, listed
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
