"""From specifications to jobs with ids, ready for the store."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suan.api import bringing
from suan.api.body import MAX_JOBS, Given, too_many
from suan.api.checks import checked_spec
from suan.api.dependencies import Links, Made, resolve
from suan.api.services import ApiContext
from suan.jobfile.expand import members, sweep_size
from suan.model.errors import InputError
from suan.model.spec import JobSpec
from suan.model.store import NewJob, Submission
from suan.model.units import JobId
from suan.model.views import SubmittedView

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, in lower case
_MANY = 200  # jobs above which the work is done in a thread
MAX_KEY = 255


def new_id(random_bytes: Callable[[int], bytes]) -> JobId:
    """Twelve characters of Crockford base 32: 60 random bits."""
    number = int.from_bytes(random_bytes(8), "big")
    return JobId("".join([_ALPHABET[(number >> shift) & 31] for shift in range(0, 60, 5)]))


def check_key(key: str | None) -> str | None:
    """An idempotency key as it came.

    Raises:
        InputError: it is empty, too long, or not plain text.
    """
    if key is None or (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        return key
    raise InputError(
        "not a key", where="Idempotency-Key", mend=f"use 1 to {MAX_KEY} printable ASCII characters"
    )


async def submit(context: ApiContext, given: Given, *, user: str, key: str | None) -> SubmittedView:
    """Check, expand, resolve and record a submission, durably.

    Raises:
        InputError: something is wrong with it; nothing was recorded.
        StoreConflict: the key was used for another request.
    """
    count = jobs_in(given.specs)
    if count > MAX_JOBS:
        raise too_many(count, "array" if given.single else "jobs")
    places = prefixes(given)
    await bringing.check(context.content, given.specs, places)
    make = Maker(given.specs, places, context.services.random_bytes)
    made = await asyncio.to_thread(make) if count > _MANY else make()
    warnings = await context.queues.check(_queues(made, places))
    links = await resolve(made, context.store, places)
    jobs = await asyncio.to_thread(_jobs, made, links) if count > _MANY else _jobs(made, links)
    submission = Submission(jobs, user, key, f"{user}:{given.fingerprint}")
    submitted = await context.store.submit(submission, context.now())
    context.live.nudge()
    return SubmittedView(
        id=_name(submitted.jobs, given),
        jobs=submitted.jobs,
        repeated=submitted.repeated,
        warnings=given.warnings + warnings,
    )


def jobs_in(specs: Sequence[JobSpec]) -> int:
    """How many jobs specifications make, arrays and sweeps counted out."""
    return sum(
        max(1, len(spec.array) or (sweep_size(spec.sweep) if spec.sweep else 1)) for spec in specs
    )


@dataclass(frozen=True, slots=True)
class Maker:
    """Checks specifications and gives ids."""

    specs: Sequence[JobSpec]
    prefixes: Sequence[str]
    random_bytes: Callable[[int], bytes]

    def __call__(self) -> list[Made]:
        return [
            self._made(checked_spec(spec, prefix))
            for spec, prefix in zip(self.specs, self.prefixes, strict=True)
        ]

    def _made(self, spec: JobSpec) -> Made:
        name = new_id(self.random_bytes)
        if not (spec.array or spec.sweep):
            return Made(spec, name, (name,))
        indices = range(sweep_size(spec.sweep)) if spec.sweep else spec.array
        return Made(spec, name, tuple(JobId(f"{name}-{index}") for index in indices))


def prefixes(given: Given) -> list[str]:
    """Where each specification stands in its request, to begin the path of an error."""
    if len(given.specs) == 1:
        return ["" if given.single else "jobs[0]."]
    return [f"jobs[{i}]." for i in range(len(given.specs))]


def _queues(made: Sequence[Made], prefixes: Sequence[str]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    for each, prefix in zip(made, prefixes, strict=True):
        first.setdefault(each.spec.queue, f"{prefix}queue")
    return list(first.items())


def _jobs(made: Sequence[Made], links: Sequence[Links]) -> tuple[NewJob, ...]:
    jobs: list[NewJob] = []
    for each, after in zip(made, links, strict=True):
        points = members(each.spec)
        if not points:
            jobs.append(NewJob(each.id, each.spec, after=after))
            continue
        jobs += [
            NewJob(job, each.spec, each.id, index, params, after)
            for job, (index, params) in zip(each.jobs, points, strict=True)
        ]
    return tuple(jobs)


def _name(jobs: Sequence[JobId], given: Given) -> JobId:
    spec = given.specs[0]
    if len(given.specs) == 1 and (spec.array or spec.sweep):
        return JobId(jobs[0].rpartition("-")[0])
    return jobs[0]
