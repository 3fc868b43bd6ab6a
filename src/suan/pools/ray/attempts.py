"""Starting a run at most once, and finding out whether it was started.

Attempt K at a run is the Ray job ``RUN`` (K = 1) or ``RUN.K``. Ray takes a submission id once and
for all, so whoever submits first has decided: a launch, or somebody who gives the launch up by a
job of the same id that does nothing. Only whoever gave attempt K up may make attempt K + 1, and
only for a launch that he was asked for afterwards.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from suan.model.errors import PoolOutcomeUnknown
from suan.model.units import RunId
from suan.pools.ray.rest import AlreadyThere, Rest

MARK = "suan"  # the key in a job's metadata
ABANDONED, CANCELLED = "abandoned", "cancelled"
_NOTHING = "true"  # the entry point of a job that only takes an id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as Ray knows it. ``record`` is what suan wrote into the job's metadata."""

    submission: str
    record: Mapping[str, Any]
    job: Mapping[str, Any]

    @property
    def number(self) -> int:
        return int(self.record["attempt"])

    @property
    def over(self) -> str | None:
        """Why it only takes the id: given up, or cancelled before it was launched."""
        found: str | None = self.record.get("over")
        return found


def attempt(job: Mapping[str, Any]) -> Attempt | None:
    """What a job says of itself; ``None`` if it is not suan's."""
    try:
        record = json.loads((job.get("metadata") or {})[MARK])
        found = Attempt(str(job["submission_id"]), record, job)
        return found if found.number and record["run"] and record["pool"] else None
    except (KeyError, TypeError, ValueError):
        return None


class Attempts:
    """Every run's attempts. ``owner`` is this server's name for itself; callers keep two calls for
    one run apart."""

    def __init__(self, rest: Rest, *, pool: str, prefix: str, owner: str) -> None:
        self._rest = rest
        self._pool = pool
        self._prefix = prefix
        self._owner = owner
        self._given_up: dict[RunId, tuple[int, int]] = {}  # attempt and ticket of our own
        self._launched: dict[RunId, int] = {}  # the ticket of our last launch

    def submission(self, run: RunId, number: int) -> str:
        """The id of an attempt's Ray job."""
        return f"{self._prefix}{run}" + (f".{number}" if number > 1 else "")

    async def newest(self, run: RunId, *, first: int = 1) -> Attempt | None:
        """The last attempt at a run, looked for from the ``first``."""
        found = None
        while True:
            submission = self.submission(run, first)
            job = await self._rest.job(submission)
            if job is None:
                return found
            found = attempt(job)
            if found is None:
                said = f"the Ray job {submission} is not suan's"
                raise PoolOutcomeUnknown(said, mend="set another `prefix` for the pool")
            first += 1

    async def launch(
        self,
        run: RunId,
        ticket: int,
        submit: Callable[[str, dict[str, Any]], Awaitable[None]],
    ) -> Attempt | None:
        """Submit the next attempt by ``submit``, which is given its id and the record to write.

        The attempt that was made before, if there is one; ``None`` if it is this one.

        Raises:
            PoolOutcomeUnknown: the run was given up since.
        """
        number, given_up = self._given_up.get(run, (0, 0))
        if ticket < given_up:
            raise _given_up(run)
        self._launched[run] = ticket
        number += 1
        while True:
            try:
                await submit(self.submission(run, number), self._record(run, number))
            except AlreadyThere:
                newest = await self.newest(run, first=number)
                if newest is None or newest.over != ABANDONED:
                    return newest
                record = newest.record
                if record["owner"] != self._owner or ticket < record["ticket"]:
                    raise _given_up(run) from None
                number = newest.number + 1
            else:
                return None

    async def find(self, run: RunId, ticket: int) -> Attempt | None:
        """The attempt that was launched, or ``None``; then no earlier launch can start it."""
        while True:
            newest = await self.newest(run, first=max(1, self._given_up.get(run, (1, 0))[0]))
            number = 1
            if newest is not None:
                if newest.over != ABANDONED:
                    return newest
                if self._fenced(run, newest):
                    self._given_up[run] = newest.number, ticket
                    return None
                number = newest.number + 1
            if await self._take(run, number, over=ABANDONED, ticket=ticket):
                self._given_up[run] = number, ticket
                return None

    async def cancel(self, run: RunId, ticket: int) -> Attempt | None:
        """The attempt that was launched, or ``None``: then none will be, it is cancelled."""
        while True:
            newest = await self.newest(run)
            if newest is not None and newest.over != ABANDONED:
                return newest
            number = 1 if newest is None else newest.number + 1
            if await self._take(run, number, over=CANCELLED, ticket=ticket):
                return None

    def _fenced(self, run: RunId, newest: Attempt) -> bool:
        """Whether what we gave up is still the last word: we have launched nothing since."""
        ours = newest.record["owner"] == self._owner
        return ours and self._launched.get(run, -1) <= int(newest.record["ticket"])

    async def _take(self, run: RunId, number: int, *, over: str, ticket: int) -> bool:
        """Take an attempt's id for a job that does nothing; ``False`` if somebody was quicker."""
        record = {**self._record(run, number), "over": over, "ticket": ticket}
        submission = self.submission(run, number)
        body = {"submission_id": submission, "entrypoint": _NOTHING, "metadata": marked(record)}
        try:
            await self._rest.submit(body)
        except AlreadyThere:
            return False
        return True

    def _record(self, run: RunId, number: int) -> dict[str, Any]:
        return {"pool": self._pool, "run": run, "attempt": number, "owner": self._owner}


def marked(record: Mapping[str, Any]) -> dict[str, str]:
    """A job's metadata."""
    return {MARK: json.dumps(record)}


def _given_up(run: RunId) -> PoolOutcomeUnknown:
    return PoolOutcomeUnknown(f"run {run} was given up since; ask for it again")
