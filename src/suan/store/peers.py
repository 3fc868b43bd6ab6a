"""What is offered to peers and forwarded by them: ``suan.model.store.Peers``.

A forwarded run's row is what makes it a job at most once: who launches, who asks in vain and who
ends it meet there, each in one transaction.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, or_, select

from suan.model.job import JobState
from suan.model.offer import Terms
from suan.model.peer import Ending, ForwardedRun, Mirrored, PeerOffer
from suan.model.pool import Usage
from suan.model.resources import Resources
from suan.model.store import Command, Submission
from suan.model.units import Instant, JobId, NodeName, PoolName, RunId
from suan.store import schema
from suan.store.codec import json_reader, storable, to_json
from suan.store.jobs import ask_leader
from suan.store.part import Part
from suan.store.recording import upsert
from suan.store.rows import chunks, read_run
from suan.store.submitting import add_submission, prepare

_read_offer = json_reader(PeerOffer)
_read_nodes = json_reader(tuple[NodeName, ...])
_read_resources = json_reader(Resources)
_read_terms = json_reader(Terms)
_read_usage = json_reader(Usage)

_offers, _forwarded, _jobs = schema.peer_offers, schema.forwarded_runs, schema.jobs
_MIRRORED = (*_forwarded.c, _jobs.c.state, _jobs.c.detail, _jobs.c.ended_at, _jobs.c.attempts)


class StoredPeers(Part):
    """Meets ``suan.model.store.Peers``."""

    async def platform(self) -> str:
        query = select(schema.platform.c.id)
        return await self._db.read(lambda connection: str(connection.execute(query).scalar_one()))

    async def offers(self) -> tuple[PeerOffer, ...]:
        def work(connection: Connection) -> tuple[PeerOffer, ...]:
            found = [
                _read_offer(body) for body in connection.execute(select(_offers.c.body)).scalars()
            ]
            return tuple(sorted(found, key=lambda offer: (offer.peer, offer.pool)))

        return await self._db.read(work)

    async def offer(self, offer: PeerOffer) -> None:
        with storable("an offer"):
            row = {"peer": offer.peer, "pool": offer.pool, "body": to_json(offer)}
        await self._db.write(lambda connection: upsert(connection, _offers, [row]))

    async def withdraw(self, peer: str, pool: str) -> bool:
        gone = delete(_offers).where(_offers.c.peer == peer, _offers.c.pool == pool)
        return await self._db.write(lambda connection: connection.execute(gone).rowcount == 1)

    async def forward(
        self, run: ForwardedRun, submission: Submission, now: Instant
    ) -> ForwardedRun:
        prepared = prepare(submission, now)

        def work(connection: Connection) -> ForwardedRun:
            known = _known(connection, run)
            if known is not None and (known.job is not None or run.turn < known.turn):
                return known
            [job] = add_submission(connection, prepared).jobs
            ending = known.ending if known is not None else Ending.NOBODY
            if ending:
                ask_leader(connection, Command("cancel", job, submission.user), now)
            return _keep(connection, replace(run, job=job, ending=ending))

        return await self._db.write(work, kind="submit")

    async def seek(self, run: ForwardedRun) -> ForwardedRun:
        def work(connection: Connection) -> ForwardedRun:
            known = _known(connection, run) or run
            if known.job is not None:
                return known
            return _keep(connection, replace(known, turn=known.turn + 1))

        return await self._db.write(work)

    async def end(self, run: ForwardedRun, command: Command, now: Instant) -> ForwardedRun:
        def work(connection: Connection) -> ForwardedRun:
            known = _known(connection, run)
            if known is None and run.ending is not Ending.CANCELLED:
                return run  # nothing is there to take back
            known = known or run
            if known.job is not None:
                ask_leader(connection, replace(command, target=known.job), now)
            # A peer that first withdraws a run may cancel its job later, not the other way round.
            if known.ending is not Ending.CANCELLED:
                known = replace(known, ending=run.ending)
            return _keep(connection, known)

        return await self._db.write(work, kind="command")

    async def mirrored(
        self, peer: str, pool: str, *, after: int | None, since: Instant
    ) -> tuple[int, tuple[Mirrored, ...]]:
        feed = schema.feed.c
        told: ColumnElement[bool]
        if after is None:
            told = or_(_jobs.c.ended_at.is_(None), _jobs.c.ended_at > since)
        else:
            told = _forwarded.c.job.in_(select(feed.job).where(feed.id > after))

        def work(connection: Connection) -> tuple[int, tuple[Mirrored, ...]]:
            newest = connection.execute(select(func.max(feed.id))).scalar_one() or 0
            if after is not None and newest == after:
                return newest, ()
            rows = connection.execute(_of(peer, pool, *_MIRRORED).where(told)).all()
            return newest, _mirrored(connection, rows)

        return await self._db.read(work)

    async def one(self, peer: str, run: RunId) -> Mirrored | None:
        query = _joined(*_MIRRORED).where(_forwarded.c.peer == peer, _forwarded.c.run == run)

        def work(connection: Connection) -> Mirrored | None:
            found = _mirrored(connection, connection.execute(query).all())
            return found[0] if found else None

        return await self._db.read(work)

    async def open(self, peer: str, pool: str) -> tuple[ForwardedRun, ...]:
        unended = _jobs.c.state.in_([JobState.PENDING.value, JobState.RUNNING.value])
        query = _of(peer, pool, *_forwarded.c).where(unended)

        def work(connection: Connection) -> tuple[ForwardedRun, ...]:
            found = map(_run, connection.execute(query))
            return tuple(sorted(found, key=lambda each: each.run))

        return await self._db.read(work)


def _joined(*columns: Any) -> Select[Any]:
    return select(*columns).join(_jobs, _jobs.c.id == _forwarded.c.job)


def _of(peer: str, pool: str, *columns: Any) -> Select[Any]:
    return _joined(*columns).where(_forwarded.c.peer == peer, _forwarded.c.pool == pool)


def _known(connection: Connection, run: ForwardedRun) -> ForwardedRun | None:
    query = select(_forwarded).where(_forwarded.c.peer == run.peer, _forwarded.c.run == run.run)
    row = connection.execute(query).one_or_none()
    return _run(row) if row else None


def _keep(connection: Connection, run: ForwardedRun) -> ForwardedRun:
    with storable("a forwarded run"):
        row = {
            "peer": run.peer,
            "run": run.run,
            "pool": run.pool,
            "turn": run.turn,
            "job": run.job,
            "ending": run.ending.value,
            "nodes": to_json(run.nodes),
            "per_task": to_json(run.per_task),
            "terms": to_json(run.terms),
        }
    upsert(connection, _forwarded, [row])
    return run


def _run(row: Row[Any]) -> ForwardedRun:
    return ForwardedRun(
        peer=row.peer,
        run=RunId(row.run),
        pool=PoolName(row.pool),
        turn=row.turn,
        job=JobId(row.job) if row.job is not None else None,
        nodes=_read_nodes(row.nodes),
        per_task=_read_resources(row.per_task),
        terms=_read_terms(row.terms),
        ending=Ending(row.ending),
    )


def _mirrored(connection: Connection, rows: list[Row[Any]] | Any) -> tuple[Mirrored, ...]:
    """What became of each job, by its last run, if it has had one."""
    attempts = {row.job: row.attempts for row in rows if row.attempts}
    runs = schema.runs
    last = {
        found.job: found
        for piece in chunks(list(attempts))
        for found in connection.execute(select(runs).where(runs.c.job.in_(piece)))
        if found.attempt == attempts[found.job]
    }
    found = []
    for row in rows:
        run = last.get(row.job)
        found.append(
            Mirrored(
                forwarded=_run(row),
                state=JobState(row.state),
                detail=row.detail,
                ended_at=row.ended_at,
                last=read_run(run) if run is not None else None,
                usage=_read_usage(run.usage) if run is not None and run.usage else None,
            )
        )
    return tuple(sorted(found, key=lambda each: each.forwarded.run))
