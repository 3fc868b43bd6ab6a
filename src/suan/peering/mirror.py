"""What became of a forwarded run, as its sender is told: from its job's record here."""

from suan.model.bill import Bill
from suan.model.job import Cause, JobState, Outcome, Run, RunState
from suan.model.peer import Ending, Mirrored
from suan.model.pool import RunReport

_TOOK_BACK = {
    Ending.WITHDRAWN: "it was taken back just as it began",
    Ending.REVOKED: "its owner took the offer back",
}


def report_of(seen: Mirrored, bill: Bill | None = None) -> RunReport:
    """The pool's word on a forwarded run. ``bill`` is that of its last run, once it has ended."""
    run, last = seen.forwarded.run, seen.last
    started_at = last.started_at if last is not None else None
    if not seen.state.final:
        begun = last is not None and last.state is RunState.STARTED
        return RunReport(run, run, started_at=started_at if begun else None)
    return RunReport(
        run,
        run,
        started_at=started_at,
        ended_at=last.ended_at if last is not None and started_at is not None else seen.ended_at,
        outcome=_outcome(seen, last),
        usage=seen.usage,
        bill=bill,
    )


def _outcome(seen: Mirrored, last: Run | None) -> Outcome:
    outcome = last.outcome if last is not None else None
    if seen.state is JobState.CANCELLED or (outcome and outcome.cause is Cause.CANCELLED):
        return _cancelled(seen, outcome)
    if outcome is None:
        return Outcome(Cause.REJECTED, detail=seen.detail or "its owner's queue refused it")
    return outcome


def _cancelled(seen: Mirrored, outcome: Outcome | None) -> Outcome:
    """Only a peer that asked for it hears ``cancelled``; what the owner ended, he preempted."""
    ending, started = seen.forwarded.ending, seen.last is not None and seen.last.started_at
    if ending is Ending.CANCELLED:
        return outcome or Outcome(Cause.CANCELLED, detail="cancelled before it started")
    detail = _TOOK_BACK.get(ending) or seen.detail or "its owner ended it"
    if not started:
        if ending is Ending.WITHDRAWN:
            detail = "its owner kept it waiting"
        return Outcome(Cause.UNLAUNCHED, detail=detail)
    cause, code = Cause.PREEMPTED, outcome.exit_code if outcome else None
    return Outcome(cause, code, outcome.signal if outcome else None, detail)
