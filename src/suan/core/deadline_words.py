"""What a waiting job's deadline has to do with its waiting, in words."""

from suan.core.deadlines import grace_of, hurries_at, latest_start, yields_at
from suan.core.matching import Match
from suan.core.records import JobRecord, RunRecord
from suan.core.state import State
from suan.core.wording import counted, listed, span
from suan.model.units import Instant


def of_deadline(state: State, job: JobRecord, now: Instant) -> str:
    """A sentence about a job in line that has a deadline; empty where there is nothing to tell."""
    due, latest = job.told.deadline, latest_start(job)
    if due is None:
        return ""
    if due <= now:
        return f"Its deadline passed {span(now - due)} ago."
    if latest is None:
        asked = state.policy.deadlines
        return "How long it takes is not known: nobody yields to its deadline." if asked else ""
    if latest < now and not job.hurries:
        takes, left = span(job.takes), span(due - now)
        return f"It would miss its deadline: it takes {takes}, and {left} are left."
    left = f"it must start within {span(max(latest - now, 0))} (it takes {span(job.takes)})"
    if job.hurries:
        return f"To keep its deadline {left}; {_hurrying(state, job, now)}."
    at = hurries_at(job)
    if at is None:
        return f"To keep its deadline {left}."
    return f"To keep its deadline {left}; in {span(at - now)} it may displace others for that."


def eager(job: JobRecord) -> JobRecord:
    """A job as it is going to be when it hurries: to be asked about, and never to be started."""
    other = JobRecord(job.told, job.account)
    other.shape, other.served, other.window = job.shape, job.served, job.window
    other.latest, other.hurries = job.latest, True
    return other


def in_time(job: JobRecord, found: Match, now: Instant) -> Instant | None:
    """When a job that does not hurry yet is going to, if runs in that pool may yield to it then."""
    at = hurries_at(job)
    if at is None or at <= now:
        return None
    hurried = eager(job)
    return at if any(yields_at(hurried, r, at=at) == at for r in found.pool.open.values()) else None


def _hurrying(state: State, job: JobRecord, now: Instant) -> str:
    ending = sorted(job.making_room or ())
    if ending:
        verb = "stops" if len(ending) == 1 else "stop"
        return f"{listed([f'run {run}' for run in ending])} {verb} for that"
    counts: dict[str, int] = {}
    assert job.shape is not None
    pools = {each.pool.name: each.pool for each in job.shape.candidates}
    for pool in pools.values():
        for run in pool.open.values():
            kind = _kind(state, job, run, now=now)
            counts[kind] = counts.get(kind, 0) + 1
    if not counts:
        return "nothing runs that could make room for that"
    runs = [f"{counted(counts[kind], 'run')} {kind}" for kind in sorted(counts)]
    are = "is" if sum(counts.values()) == 1 else "are"
    return f"nobody makes room for that: there {are} {listed(runs)}"


def _kind(state: State, job: JobRecord, run: RunRecord, *, now: Instant) -> str:
    """What keeps a run from making room."""
    quotas, other = state.quotas, run.job
    if run.stopping is not None:
        return "ending already"
    if other.told.priority > job.told.priority:
        return "of a higher priority"
    if other.hurries:
        return "begun just in time for a deadline"
    if quotas.quotas and quotas.protects(run, job):
        return "within a guarantee"
    assert job.latest is not None
    safe_until = run.began + state.policy.min_run_time
    if max(safe_until, now) + grace_of(run) > job.latest:
        return "too new" if safe_until > now else "too slow to stop"
    if yields_at(job, run, at=max(safe_until, now)) > max(safe_until, now):
        return "with a deadline to keep"
    return "not enough"
