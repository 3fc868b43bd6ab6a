"""From a run's status to the pool's word on it."""

from typing import Any

from suan.model.job import Cause, Outcome
from suan.model.pool import RunReport, Usage
from suan.model.units import RunId
from suan.pools.local import records


def report(run: str, status: dict[str, Any]) -> RunReport:
    """What a status says."""
    ended = status["state"] == records.ENDED
    return RunReport(
        run=RunId(run),
        ref=run,
        started_at=status.get("started_at"),
        ended_at=status.get("ended_at"),
        outcome=_outcome(status["outcome"]) if ended else None,
        usage=Usage(**status["usage"]) if status.get("usage") else None,
    )


def _outcome(outcome: dict[str, Any]) -> Outcome:
    return Outcome(
        cause=Cause(outcome["cause"]),
        exit_code=outcome.get("exit_code"),
        signal=outcome.get("signal"),
        detail=outcome.get("detail", ""),
    )


def ended(
    cause: Cause, detail: str, now: int, *, started: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The status of a run that ended without a runner to say so."""
    status = {key: value for key, value in (started or {}).items() if key != "runner"}
    outcome = {"cause": str(cause), "detail": detail}
    return {**status, "state": records.ENDED, "ended_at": now, "outcome": outcome}
