"""How a run ended: from what its job wrote of it, and from what Ray says of the job."""

import json
from collections.abc import Mapping
from typing import Any

from suan.model.job import Cause, Outcome
from suan.model.pool import RunReport, Usage
from suan.model.units import RunId

_MARK = "suan: "
_SIGNALS = range(1, 65)
ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
WAITING = "PENDING"
_NEVER_BEGAN = {  # Ray's type of the error: what to say of it
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": "Ray had no place for it for too long",
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": "Ray cannot place it",
    "RUNTIME_ENV_SETUP_FAILURE": "Ray could not set up its runtime environment",
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": "Ray could not start it",
}


def words(log: str) -> dict[str, Any]:
    """What a job wrote of its run: ``started`` and ``end``, as far as it came."""
    found: dict[str, Any] = {}
    for line in log.splitlines():
        if line.startswith(_MARK):
            try:
                found.update(json.loads(line.removeprefix(_MARK)))
            except ValueError:
                continue
    return found


def of(job: Mapping[str, Any], told: Mapping[str, Any], *, taken_back: str = "") -> dict[str, Any]:
    """The end of a run whose job has ended, as a plain value that can be kept.

    ``taken_back`` is why suan itself stopped a job that waited.
    """
    at = told.get("end", {}).get("at") or (job.get("end_time") or 0) / 1000 or None
    if "end" in told:
        return {"at": at, "started": told.get("started"), **_of_word(told["end"])}
    if taken_back and "started" not in told:
        return {"at": at, **without_job(Cause.UNLAUNCHED, taken_back)}
    return {"at": at, "started": told.get("started"), **_of_ray(job, told)}


def without_job(cause: Cause, detail: str) -> dict[str, Any]:
    """The end of a run that Ray does not, or need not, tell of."""
    return {"cause": cause, "detail": detail}


def _of_word(end: Mapping[str, Any]) -> dict[str, Any]:
    code = int(end["code"])
    signal = code - 128 if code - 128 in _SIGNALS else None
    found = {"exit_code": code, "signal": signal, "cpu_us": end.get("cpu_us")}
    found["max_rss_mib"] = end.get("max_rss_mib")
    cause, detail = end.get("cause", ""), end.get("detail", "")
    if cause in (Cause.LOST, Cause.UNLAUNCHED):
        return {"cause": cause, "detail": detail}
    if cause == Cause.FAILED:
        return {**found, "signal": None, "cause": cause, "detail": detail}
    if not cause and code == 0:
        return {**found, "cause": Cause.SUCCEEDED, "detail": ""}
    if not cause:
        rank = end.get("rank", 0)
        how = f"was ended by signal {signal}" if signal else f"exited with code {code}"
        return {**found, "cause": Cause.FAILED, "detail": f"task {rank} {how}"}
    return {**found, "cause": cause, "detail": detail}


def _of_ray(job: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """What Ray says where the job itself came to say nothing."""
    said = str(job.get("message") or "").strip().splitlines()
    because = f": {said[0][:300]}" if said else ""
    if job["status"] == "STOPPED":
        return {"cause": Cause.CANCELLED, "detail": "it was stopped before it told of its end"}
    if job["status"] == "SUCCEEDED":  # its program ends with 0 where all its tasks did
        return {"cause": Cause.SUCCEEDED, "exit_code": 0, "detail": ""}
    kind = str(job.get("error_type") or "")
    if kind in _NEVER_BEGAN and "started" not in told:
        return {"cause": Cause.UNLAUNCHED, "detail": _NEVER_BEGAN[kind] + because}
    return {"cause": Cause.LOST, "detail": f"its Ray job broke off{because}"}


def report(run: RunId, started: float | None, end: Mapping[str, Any] | None) -> RunReport:
    """A run's report. Times are seconds; ``end`` is what ``of`` made of it."""
    if end is None:
        return RunReport(run=run, ref=run, started_at=_microseconds(started))
    started = end.get("started") or started
    ended = end.get("at")
    if started is not None and ended is not None:
        ended = max(started, ended)
    return RunReport(
        run=run,
        ref=run,
        started_at=_microseconds(started),
        ended_at=_microseconds(ended),
        outcome=Outcome(
            cause=Cause(end["cause"]),
            exit_code=end.get("exit_code"),
            signal=end.get("signal"),
            detail=end.get("detail", ""),
        ),
        usage=Usage(cpu_us=end.get("cpu_us"), max_rss_mib=end.get("max_rss_mib")),
    )


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)
