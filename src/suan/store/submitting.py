"""Adding jobs: all of a submission or none, once for each idempotency key."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from suan.model.errors import InputError, OverPendingLimit, StoreConflict
from suan.model.job import JobState
from suan.model.quota import Limits
from suan.model.spec import JobSpec
from suan.model.store import NewJob, Submission, Submitted
from suan.model.units import Instant, JobId
from suan.store import schema
from suan.store.codec import json_reader, to_json
from suan.store.part import Part
from suan.store.rows import Values, job_values, spec_text

_read_ids = json_reader(tuple[JobId, ...])
_read_limits = json_reader(Limits)

INLINE = 50  # more jobs than this are made ready in a thread, so that the event loop goes on


@dataclass(slots=True)
class Prepared:
    """A submission's rows, made before the writer's turn so that its turn is short.

    Spec ids count from 0 here; the writer adds the store's newest id.
    """

    submission: Submission
    now: Instant
    specs: list[str]
    secrets: list[Values]
    labels: list[Values]
    jobs: list[Values]


_NEWEST_SPEC = select(func.max(schema.specs.c.id))
_LIMITS = select(schema.user_limits.c.body).where(
    schema.user_limits.c.user_name == bindparam("user")
)


class StoredSubmissions(Part):
    """``submit``."""

    async def submit(self, submission: Submission, now: Instant) -> Submitted:
        """Add jobs durably.

        Raises:
            InputError: a job cannot be stored at all.
            StoreConflict: a job's id is taken (make new ids and try again), or the key was used
                for another request.
            OverPendingLimit: their user would have more jobs pending than he may.
        """
        if len(submission.jobs) > INLINE:
            prepared = await asyncio.to_thread(prepare, submission, now)
        else:
            prepared = prepare(submission, now)
        return await self._db.write(
            lambda connection: add_submission(connection, prepared),
            kind="submit",
            rows=len(submission.jobs),
        )


def prepare(submission: Submission, now: Instant) -> Prepared:
    """A submission's rows.

    Raises:
        InputError: a job cannot be stored at all.
    """
    prepared = Prepared(submission, now, [], [], [], [])
    by_object: dict[int, int] = {}
    by_value: dict[tuple[str, str], int] = {}
    for new in submission.jobs:
        _check(new, submission.user)
        number = by_object.get(id(new.spec))
        if number is None:
            number = by_object[id(new.spec)] = _add_spec(prepared, new.spec, by_value)
        prepared.jobs.append(job_values(new, number, user=submission.user, now=now))
    return prepared


def _add_spec(prepared: Prepared, spec: JobSpec, known: dict[tuple[str, str], int]) -> int:
    body, secrets = spec_text(spec), to_json(spec.secrets) if spec.secrets else ""
    number = known.setdefault((body, secrets), len(prepared.specs))
    if number == len(prepared.specs):
        prepared.specs.append(body)
        if secrets:
            prepared.secrets.append({"spec_id": number, "body": secrets})
        prepared.labels += [
            {"spec_id": number, "key": key, "value": value} for key, value in spec.labels.items()
        ]
    return number


def _check(new: NewJob, user: str) -> None:
    """PostgreSQL takes no NUL in a text, so that neither engine does."""
    spec = new.spec
    if "\x00" in f"{user}{new.id}{spec.tenant}{spec.queue}{spec.name}":
        raise InputError("a name holds a NUL character", where="spec", mend="take it out")
    for key, value in spec.labels.items():
        if "\x00" in key or "\x00" in value:
            raise InputError(
                "a label holds a NUL character", where=f"labels.{key!r}", mend="take it out"
            )


def add_submission(connection: Connection, prepared: Prepared) -> Submitted:
    """Add a submission's jobs in a transaction; see ``submit``."""
    submission = prepared.submission
    if submission.key is not None:
        earlier = _earlier(connection, submission)
        if earlier is not None:
            return Submitted(jobs=earlier, repeated=True)
    _check_pending(connection, submission)
    # Only one writer is at work at a time (see opening), so the next ids are known.
    newest = connection.execute(_NEWEST_SPEC).scalar_one() or 0
    first = newest + 1
    specs = [{"id": first + at, "body": body} for at, body in enumerate(prepared.specs)]
    _insert(connection, schema.specs, specs)
    _insert(connection, schema.spec_secrets, _shifted(prepared.secrets, first))
    _insert(connection, schema.spec_labels, _shifted(prepared.labels, first))
    _insert(connection, schema.jobs, _shifted(prepared.jobs, first))
    ids = tuple(new.id for new in submission.jobs)
    if submission.key is not None:
        _keep_key(connection, prepared, ids)
    return Submitted(jobs=ids)


def _earlier(connection: Connection, submission: Submission) -> tuple[JobId, ...] | None:
    keys = schema.submission_keys.c
    row = connection.execute(
        select(keys.fingerprint, keys.jobs).where(
            keys.user_name == submission.user, keys.key == submission.key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.fingerprint != submission.fingerprint:
        raise StoreConflict(
            f"the idempotency key {submission.key!r} was already used for another request",
            mend="use a new key for a new request, or repeat the first one unchanged",
        )
    return _read_ids(row.jobs)


def _check_pending(connection: Connection, submission: Submission) -> None:
    """Here, where one writer is at work at a time, so that no two submissions share what is left
    of a limit."""
    jobs = schema.jobs.c
    body = connection.execute(_LIMITS, {"user": submission.user}).scalar_one_or_none()
    most = None if body is None else _read_limits(body).pending
    if most is None:
        return
    waiting = connection.execute(
        select(func.count()).where(
            jobs.user_name == submission.user, jobs.state == JobState.PENDING.value
        )
    ).scalar_one()
    new = len(submission.jobs)
    if waiting + new > most:
        left = max(most - waiting, 0)
        fewer = f"submit at most {left:,} now, or " if left else ""
        raise OverPendingLimit(
            f"user {submission.user} may have {most:,} job{'' if most == 1 else 's'} pending"
            f" and has {waiting:,};"
            f" {new:,} more are too many",
            mend=f"{fewer}wait until some have started, or ask an operator to raise the limit"
            f" (suan limits set {submission.user} --pending N)",
        )


def _keep_key(connection: Connection, prepared: Prepared, ids: tuple[JobId, ...]) -> None:
    row = {
        "user_name": prepared.submission.user,
        "key": prepared.submission.key,
        "fingerprint": prepared.submission.fingerprint,
        "jobs": to_json(ids),
        "submitted_at": prepared.now,
    }
    _insert(connection, schema.submission_keys, [row])


def _insert(connection: Connection, table: Any, rows: list[Values]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _shifted(rows: list[Values], first: int) -> list[Values]:
    return [row | {"spec_id": first + row["spec_id"]} for row in rows]
