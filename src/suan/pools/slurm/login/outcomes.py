"""How a run ended: from the keeper's word, from what was asked of it, and from Slurm's."""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH110

import os
import signal
from typing import Any

from suan.pools.slurm.login.attempts import Attempts, told

CANCELLED, LOST, UNLAUNCHED = "cancelled", "lost", "unlaunched"
_MEMORY_WORDS = "exceeded memory limit", "exceeded job memory limit", "oom-kill", "oom_kill"
_MEMORY_DETAIL = "Slurm ended it: it took more memory than it had asked for"
# Slurm's state: the cause, and what to say of it
_STATES = {
    "TIMEOUT": ("timed_out", "Slurm ended it: its time limit there passed"),
    "DEADLINE": ("timed_out", "Slurm ended it: its deadline there passed"),
    "OUT_OF_MEMORY": ("out_of_memory", _MEMORY_DETAIL),
    "NODE_FAIL": (LOST, "Slurm says that its node failed"),
    "BOOT_FAIL": (LOST, "Slurm could not boot its node"),
    "PREEMPTED": ("preempted", "Slurm preempted it for another job"),
    "REVOKED": (LOST, "Slurm revoked it: another cluster took it"),
}
NEVER_BEGUN = "NEVER_BEGUN"  # cancelled on nodes that it was given, before its keeper began
ENDED_STATES = {*_STATES, "CANCELLED", "COMPLETED", "FAILED", NEVER_BEGUN}
WAITING = "PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"
_UNSAID = "COMPLETED", "FAILED"  # the keeper's own word may still be on its way


def of_keeper(
    attempts: Attempts, attempt: int, record: "dict[str, Any]"
) -> "dict[str, Any] | None":
    """The end as the keeper told it; ``None`` if it did not, or not yet."""
    end = attempts.end(attempt)
    if end is None:
        return None
    code, at, times = int(end[0]), float(end[1]), end[3]
    found: dict[str, Any] = {
        "ended_at": at,
        "cpu_us": _microseconds(times),
        "detail": "",
        "exit_code": code,
    }
    rank: int | None = 0
    if record["tasks"] != 1:
        rank, found["exit_code"], found["cpu_us"] = _of_tasks(attempts, attempt, record, code=code)
    code = found["exit_code"]
    if code > 128 and code - 128 <= 64:
        found["signal"] = code - 128
    if attempts.json("cancel", attempt) is not None:
        return {**found, "cause": CANCELLED}
    if os.path.exists(attempts.path("late", attempt)):
        detail = "its time limit of {:g} s passed".format(float(record["limit"] or 0))
        return {**found, "cause": "timed_out", "detail": detail}
    if end[2] != "-":
        found["asked"] = end[2]  # but not by suan: only Slurm knows why
    if code == 0:
        return {**found, "cause": "succeeded"}
    if rank is None and "signal" not in found and "asked" not in found:
        said = "its tasks were not seen through" + _last_words(attempts)
        return {**found, "cause": LOST, "detail": said}
    return {**found, "cause": "failed", "detail": _told(rank or 0, code)}


def of_record(
    attempts: Attempts, attempt: int, record: "dict[str, Any]"
) -> "dict[str, Any] | None":
    """The end as the files tell it, whoever wrote them; ``None`` if it has not ended."""
    return (
        record.get("over") or attempts.json("over", attempt) or of_keeper(attempts, attempt, record)
    )


def needs_slurm(outcome: "dict[str, Any]") -> bool:
    """Whether only Slurm can tell why a run ended: it was asked to, or was killed from outside."""
    killed = outcome["cause"] == "failed" and outcome.get("signal") == signal.SIGKILL
    return killed or "asked" in outcome


def explained(
    attempts: Attempts, attempt: int, *, told: "dict[str, Any]", state: str
) -> "dict[str, Any]":
    """The keeper's word on an end that needs Slurm's, with the latter."""
    memory = state == "OUT_OF_MEMORY" or ran_out_of_memory(attempts)
    if memory and told["cause"] == "failed":
        state = "OUT_OF_MEMORY"
    elif state not in _STATES and state != "CANCELLED":
        return {name: value for name, value in told.items() if name != "asked"}
    kept: dict[str, Any] = {
        name: told[name] for name in ("ended_at", "cpu_us", "exit_code", "signal") if name in told
    }
    return {**kept, **of_slurm(attempts, attempt, state=state, reason="")}


def of_slurm(attempts: Attempts, attempt: int, *, state: str, reason: str) -> "dict[str, Any]":
    """The end of a run that no keeper told of, from the state that its job ended in."""
    turn = attempts.turn(attempt)
    if attempts.json("cancel", attempt) is not None:
        return {"cause": CANCELLED, "exit_code": 137, "signal": int(signal.SIGKILL), "detail": ""}
    if ran_out_of_memory(attempts):
        return {"cause": "out_of_memory", "detail": _MEMORY_DETAIL}
    if state in _STATES:
        cause, detail = _STATES[state]
        return {"cause": cause, "detail": detail + _because(reason)}
    if state == NEVER_BEGUN:
        said = "Slurm gave it nodes, and could not begin it there"
        return {"cause": UNLAUNCHED, "detail": said + _because(reason) + _last_words(attempts)}
    if state == "CANCELLED":
        return {"cause": CANCELLED, "detail": "it was cancelled in Slurm, not by suan"}
    if turn is None:
        said = f"Slurm ended its job before it began ({state.lower()}){_because(reason)}"
        return {"cause": UNLAUNCHED, "detail": said + _last_words(attempts)}
    said = f"its keeper vanished; Slurm says {state.lower()}{_because(reason)}"
    return {"cause": LOST, "detail": said + _last_words(attempts)}


def final(state: str) -> bool:
    """Whether nothing more than Slurm's state will be heard of a job in it."""
    return state in ENDED_STATES and state not in _UNSAID


def ran_out_of_memory(attempts: Attempts) -> bool:
    """Whether Slurm wrote so into the job's own output."""
    low = attempts.output().lower()
    return any(word in low for word in _MEMORY_WORDS)


def _of_tasks(
    attempts: Attempts, attempt: int, record: "dict[str, Any]", *, code: int
) -> "tuple[int | None, int, int | None]":
    """The first failing task of a gang (``None``: no task says that it failed), the exit code, and
    the processor time of all."""
    failed, cpu_us = [], 0
    for rank in range(record["tasks"]):
        end = told(attempts.text(f"task-{rank}.end", attempt))
        if end is not None:
            cpu_us += _microseconds(end[3]) or 0
            if end[0] != "0":
                failed.append((float(end[1]), rank, int(end[0])))
    if not failed:
        return None, code, cpu_us
    _, rank, first = min(failed)
    return rank, first, cpu_us


def _told(rank: int, code: int) -> str:
    if code > 128 and code - 128 <= 64:
        return f"task {rank} was ended by signal {code - 128}"
    return f"task {rank} exited with code {code}"


def _because(reason: str) -> str:
    return "" if reason in ("", "None") else ": " + reason


def _last_words(attempts: Attempts) -> str:
    lines = attempts.output().strip().splitlines()
    return "; " + lines[-1][:300] if lines else ""


def _microseconds(times: str) -> "int | None":
    """The second line of bash's ``times``: ``0m0.010s 0m0.004s``, of the children."""
    total = 0.0
    words = times.replace(",", ".").split()
    for word in words:
        minutes, _, seconds = word.rstrip("s").partition("m")
        try:
            total += int(minutes) * 60 + float(seconds)
        except ValueError:
            return None
    return round(total * 1e6) if words else None
