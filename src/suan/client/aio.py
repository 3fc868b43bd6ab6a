"""The client for an event loop: ``sync`` with ``await``."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from suan.client import calls, discovery, retry
from suan.client.aline import AsyncLine
from suan.client.bringing import AS_NEEDED, Bringing, brought
from suan.client.calls import Filters, LogPart, Offer, Reserve
from suan.client.errors import WaitTimeout
from suan.client.follow import FollowedEvents, FollowedLog
from suan.client.jobs import JobSource, new_key, several
from suan.client.pulling import Pulled, Wanted, pulled
from suan.client.wire import AsyncSender
from suan.model.job import JobState
from suan.model.views import (
    EventView,
    ExplanationView,
    JobDetail,
    JobList,
    JobView,
    LimitsView,
    OutputsView,
    PeerView,
    PoolView,
    QueueView,
    QuotaView,
    ReservationView,
    ServerView,
    SiteView,
    SubmittedView,
    TenantView,
    TokenView,
)

PAGE = 1000  # jobs: the most that the API gives at once


class AsyncClient:
    """Everything a suan server can do, for one event loop. Use it as an async context manager, or
    ``close`` it.

    Without a ``url`` it finds the server: ``$SUAN_SERVER``, else the one ``suan up`` started.
    ``timeout_s`` bounds each wait for the network; ``patience_s`` is how long followed logs,
    events and ``wait`` outlast a server that restarts. Every method raises ``InputError``,
    ``NotFound``, or an error of ``suan.client.errors``.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 30.0,
        sender: AsyncSender | None = None,
    ) -> None:
        endpoint = discovery.find(url, token)
        self.endpoint = endpoint
        self._line = AsyncLine(sender or _pooled(timeout_s), endpoint, patience_s)
        self.tokens = AsyncTokenCalls(self._line)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()

    async def submit(
        self, job: JobSource, *, key: str | None = None, bringing: Bringing = AS_NEEDED
    ) -> SubmittedView:
        """Submit a ``JobSpec``, a job file's path, or a job file's text (of several lines).

        Each call has an idempotency key of its own, so that it can be retried after a broken
        connection; give ``key`` to make a later call the same one. Its ``workdir`` and mounts are
        copied to the server if that does not see the same files: ``bringing`` says otherwise.
        """
        return await self.submit_many((job,), key=key, bringing=bringing)

    async def submit_many(
        self, jobs: Sequence[JobSource], *, key: str | None = None, bringing: Bringing = AS_NEEDED
    ) -> SubmittedView:
        """Submit several, all or none. ``after`` may name others of them."""
        asking = brought(several(jobs), bringing, started_here=self.endpoint.started_here)
        specs = await self._line.asked(asking)
        return await self._line.do(calls.submit(specs, key or new_key()))

    async def get(self, job: str) -> JobDetail:
        """A job, whole."""
        return await self._line.do(calls.get(job))

    async def page(
        self, *, cursor: str | None = None, limit: int = 100, **filters: Unpack[Filters]
    ) -> JobList:
        """One page of jobs, newest first."""
        return await self._line.do(calls.page(filters, cursor, limit))

    async def list(self, **filters: Unpack[Filters]) -> AsyncIterator[JobView]:
        """Every job that the filters let through, newest first, fetched page by page."""
        cursor: str | None = None
        while True:
            page = await self.page(cursor=cursor, limit=PAGE, **filters)
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def counts(self, **filters: Unpack[Filters]) -> dict[str, int]:
        """How many jobs are in each state."""
        return await self._line.do(calls.counts(filters))

    async def cancel(self, job: str) -> tuple[str, ...]:
        """Cancel a job, or an array's unfinished members; the ids that were told to stop."""
        return await self._line.do(calls.cancel(job))

    async def outputs(self, job: str, *, attempt: int | None = None) -> OutputsView:
        """The files that a run of a job (the latest) has left so far."""
        return await self._line.do(calls.outputs(job, attempt))

    async def pull(self, wanted: Wanted) -> tuple[Pulled, ...]:
        """Fetch what a run has left, less what is here already; on from where it broke off."""
        return await self._line.asked(pulled(wanted))

    async def explain(self, job: str) -> ExplanationView:
        """Why a job waits, or where it runs."""
        return await self._line.do(calls.explain(job))

    async def plan(self, job: JobSource) -> tuple[ExplanationView, ...]:
        """Where a job would go if it were submitted now; nothing is changed.

        One explanation for each job of a file, and for each distinct need of an array.
        """
        found: tuple[ExplanationView, ...] = ()
        for spec in several((job,)):
            found += await self._line.do(calls.plan(spec))
        return found

    async def pools(self) -> tuple[PoolView, ...]:
        """All pools."""
        return await self._line.do(calls.pools())

    async def pool(self, name: str) -> PoolView:
        """One pool, with its nodes."""
        return await self._line.do(calls.pool(name))

    async def drain(self, pool: str) -> None:
        """Start nothing new in a pool; what runs may end."""
        await self._line.do(calls.drain(pool, drained=True))

    async def undrain(self, pool: str) -> None:
        """Take a drain back."""
        await self._line.do(calls.drain(pool, drained=False))

    async def queues(self) -> tuple[QueueView, ...]:
        """All queues."""
        return await self._line.do(calls.queues())

    async def set_queue(
        self,
        name: str,
        *,
        weight: int = 1,
        discipline: str = "",
        is_open: bool = True,
        quota: QuotaView | None = None,
    ) -> QueueView:
        """Make or change a queue. Without a ``quota`` it keeps its own; an empty one is none."""
        wanted = {"weight": weight, "discipline": discipline, "open": is_open, "quota": quota}
        return await self._line.do(calls.set_queue(name, wanted))

    async def tenants(self) -> tuple[TenantView, ...]:
        """The tenants of whom something was set."""
        return await self._line.do(calls.tenants())

    async def set_tenant(
        self, name: str, *, weight: int = 1, quota: QuotaView | None = None
    ) -> TenantView:
        """Set a tenant's weight. Without a ``quota`` it keeps its own; an empty one is none."""
        return await self._line.do(calls.set_tenant(name, {"weight": weight, "quota": quota}))

    async def limits(self) -> tuple[LimitsView, ...]:
        """The users who have limits."""
        return await self._line.do(calls.limits())

    async def set_limits(
        self,
        user: str,
        *,
        running: int | None = None,
        pending: int | None = None,
        device_hours: int | None = None,
        money: int | None = None,
    ) -> LimitsView:
        """Let a user have so many jobs running at once; ``None`` is any number."""
        wanted = {
            "running": running,
            "pending": pending,
            "device_hours": device_hours,
            "money": money,
        }
        return await self._line.do(calls.set_limits(user, wanted))

    async def reservations(self) -> tuple[ReservationView, ...]:
        """The reservations that are not over, in the order in which they begin."""
        return await self._line.do(calls.reservations())

    async def reserve(
        self, name: str, pool: str, *, begin: int, end: int, **what: Unpack[Reserve]
    ) -> ReservationView:
        """Keep nodes of a pool, from ``begin`` until ``end`` in Unix seconds."""
        wanted = {"name": name, "pool": pool, "begin": begin, "end": end, **what}
        return await self._line.do(calls.reserve(wanted))

    async def cancel_reservation(self, name: str) -> None:
        """Keep its nodes no more."""
        await self._line.do(calls.cancel_reservation(name))

    async def peers(self) -> tuple[PeerView, ...]:
        """The peers to whom something is offered, or that may still sign."""
        return await self._line.do(calls.peers())

    async def offer(self, peer: str, pool: str, **what: Unpack[Offer]) -> PeerView:
        """Offer a peer a part of a pool. A new peer's ``secret`` is in this answer alone."""
        return await self._line.do(calls.offer(peer, pool, what))

    async def revoke_offer(self, peer: str, pool: str, *, now: bool = False) -> tuple[str, ...]:
        """Take an offer back; the peer's runs that this ends. With ``now`` those that run, too."""
        return await self._line.do(calls.revoke_offer(peer, pool, now=now))

    async def sites(self) -> tuple[SiteView, ...]:
        """The reference map."""
        return await self._line.do(calls.sites())

    async def server(self) -> ServerView:
        """The server that answers, and how it is doing."""
        return await self._line.do(calls.server())

    async def health(self) -> dict[str, Any]:
        """``{"status": "ok", "checks": {…}}``. Needs no token."""
        return await self._line.do(calls.health())

    async def wait(self, job: str, timeout: float | None = None) -> JobDetail:  # noqa: ASYNC109 # as in Client
        """Wait until a job has ended, at most ``timeout`` seconds.

        Raises:
            WaitTimeout: it has not; it goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pauses = retry.growing(retry.FIRST_LOOK_S, retry.LONGEST_LOOK_S)
        while True:
            detail = await self._line.patiently(calls.get(job))
            if JobState(detail.job.state).final:
                return detail
            if until is not None and time.monotonic() >= until:
                raise WaitTimeout(f"job {job} is still {detail.job.state} after {timeout:g} s")
            await asyncio.sleep(next(pauses))

    async def logs(
        self, job: str, *, follow: bool = False, **part: Unpack[LogPart]
    ) -> AsyncIterator[bytes]:
        """A task's output, in pieces. With ``follow``, until the run has ended."""
        offset = part.get("offset", 0)
        if not follow or part.get("tail") is not None:
            async with self._line.open(calls.logs(job, part, follow=False)) as stream:
                async for chunk in stream.chunks:
                    yield chunk
                offset = int(stream.headers.get("x-suan-next-offset", offset))
        if follow:
            async for chunk in self._line.followed(FollowedLog(job, part, offset)):
                yield chunk

    async def events(
        self, *, after: int = 0, limit: int | None = None, follow: bool = False
    ) -> AsyncIterator[EventView]:
        """What happened after the event with the id ``after``. With ``follow``, for ever."""
        if follow:
            async for event in self._line.followed(FollowedEvents(after)):
                yield event
        else:
            for event in await self._line.do(calls.events(after, limit)):
                yield event


class AsyncTokenCalls:
    """``client.tokens``: access tokens. Needs the scope ``admin``."""

    def __init__(self, line: AsyncLine) -> None:
        self._line = line

    async def create(
        self,
        name: str,
        scope: str,
        *,
        user: str | None = None,
        expires_in_s: int | None = None,
    ) -> TokenView:
        """Make a token. Its ``secret`` is in this answer and nowhere else."""
        wanted = {"name": name, "scope": scope, "user": user, "expires_in_s": expires_in_s}
        return await self._line.do(calls.create_token(wanted))

    async def list(self) -> tuple[TokenView, ...]:
        """All tokens, without their secrets."""
        return await self._line.do(calls.tokens())

    async def revoke(self, token_id: str) -> None:
        """End a token at once."""
        await self._line.do(calls.revoke_token(token_id))


def _pooled(timeout_s: float) -> AsyncSender:
    from suan.client.pooled import AsyncPooledSender

    return AsyncPooledSender(timeout_s)
