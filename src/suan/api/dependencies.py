"""Resolves ``after``: names of the same submission, job ids and array ids become job ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suan.api.checks import JOB_ID
from suan.model.errors import InputError
from suan.model.job import Job
from suan.model.spec import JobSpec
from suan.model.store import JobFilter, Store
from suan.model.units import JobId

MAX_LINKS = 1_000_000  # of jobs to jobs, in one submission
Links = tuple[tuple[JobId, str], ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A specification of this submission and the ids given to it: one, or its array's members."""

    spec: JobSpec
    id: JobId
    jobs: tuple[JobId, ...]


async def resolve(made: Sequence[Made], store: Store, prefixes: Sequence[str]) -> list[Links]:
    """The resolved ``after`` of each specification.

    Raises:
        InputError: a name or id is unknown or stands for several jobs, or jobs wait in a ring.
    """
    if not any(each.spec.after for each in made):
        return [()] * len(made)
    names = _names(made)
    outside: dict[str, tuple[JobId, ...]] = {}
    links: list[Links] = []
    total = 0
    for each, prefix in zip(made, prefixes, strict=True):
        found: dict[JobId, str] = {}
        for i, after in enumerate(each.spec.after):
            where = f"{prefix}after[{i}].job"
            if after.job in names:
                jobs = _only(made, names[after.job], after.job, where=where)
            elif after.job not in outside:
                jobs = outside[after.job] = await _in_store(after.job, store, where)
            else:
                jobs = outside[after.job]
            found.update(dict.fromkeys(jobs, after.condition))
        total += len(found) * len(each.jobs)
        _refuse_too_many(total, f"{prefix}after")
        links.append(tuple(found.items()))
    _refuse_rings(made, names, prefixes)
    return links


def _names(made: Sequence[Made]) -> dict[str, list[int]]:
    wanted = {after.job for each in made for after in each.spec.after}
    names: dict[str, list[int]] = {}
    for i, each in enumerate(made):
        if each.spec.name in wanted:
            names.setdefault(each.spec.name, []).append(i)
    return names


def _only(made: Sequence[Made], found: list[int], name: str, *, where: str) -> tuple[JobId, ...]:
    if len(found) > 1:
        raise InputError(
            f"{len(found)} jobs of this submission are named {name!r}",
            where=where,
            mend="give each its own name",
        )
    return made[found[0]].jobs


async def _in_store(job: str, store: Store, where: str) -> tuple[JobId, ...]:
    if JOB_ID.fullmatch(job):
        if await store.get(JobId(job)) is not None:
            return (JobId(job),)
        if members := await members_of(JobId(job), store):
            return tuple(member.id for member in members)
    raise InputError(
        f"there is no job {job[:80]!r}, in this submission or before it",
        where=where,
        mend="name a job of this submission, a job's id or an array's id",
    )


async def members_of(array: JobId, store: Store) -> tuple[Job, ...]:
    """The members of an array, by index; empty if there is no such array."""
    where = JobFilter(array_id=array)
    found: list[Job] = []
    cursor: str | None = None
    while True:
        page = await store.list(where, cursor, 1000)
        found += page.jobs
        cursor = page.next_cursor
        if cursor is None:
            return tuple(reversed(found))


def _refuse_too_many(total: int, where: str) -> None:
    if total > MAX_LINKS:
        raise InputError(
            f"more than {MAX_LINKS:,} dependencies in one submission",
            where=where,
            mend="let one job stand between the two arrays: it waits for the one, the other for it",
        )


def _refuse_rings(
    made: Sequence[Made], names: dict[str, list[int]], prefixes: Sequence[str]
) -> None:
    """Depth first over the names, without recursion: a chain may be as long as a batch."""
    done: set[int] = set()
    for start in range(len(made)):
        if start in done:
            continue
        open_: dict[int, Iterator[int]] = {start: _next(made[start], names)}
        while open_:
            here = next(reversed(open_))
            step = next((each for each in open_[here] if each not in done), None)
            if step is None:
                done.add(here)
                del open_[here]
            elif step in open_:
                raise InputError(
                    f"job {made[step].spec.name!r} waits, over others, for itself",
                    where=f"{prefixes[step]}after",
                    mend="take one of the dependencies away",
                )
            else:
                open_[step] = _next(made[step], names)


def _next(made: Made, names: dict[str, list[int]]) -> Iterator[int]:
    return (names[after.job][0] for after in made.spec.after if after.job in names)
