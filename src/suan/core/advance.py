"""Advance reservations: who may not start on which nodes, and from when until when.

A reservation *bars* a job that it does not admit from the instant after which the job, started
then, might still run when the reservation begins, until it ends. A job without a time limit is
barred at once. Nodes that the same reservations keep are a flavor of their own (``core.capacity``),
and jobs that the same reservations bar stand in lanes of their own (``core.line``): so a job never
holds what it may not use. Time moves a job to another lane at most twice for each reservation.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from suan.core.records import JobRecord, Phase
from suan.model.errors import InvariantViolation
from suan.model.reservation import Reservation, first_met
from suan.model.units import Instant, NodeName, PoolName, TenantName

if TYPE_CHECKING:
    from suan.core.state import State

_PRUNE_AT = 1024

Spans = dict[str, tuple[Instant, Instant]]  # by reservation: from and until when it bars a job


class Advance:
    """The reservations that are not over, as of ``now``: when this was last decided. ``of_node``
    has their names for each node, in the order in which they begin."""

    __slots__ = ("_against", "_bits", "_count", "_due", "_prune_at", "kept", "now", "of_node")

    def __init__(self) -> None:
        self.now: Instant = 0
        self.kept: dict[str, Reservation] = {}
        self.of_node: dict[PoolName, dict[NodeName, tuple[str, ...]]] = {}
        self._bits: dict[str, int] = {}
        self._against: dict[tuple[TenantName, str], list[Reservation]] = {}  # who is not admitted
        self._due: list[tuple[Instant, int, JobRecord]] = []  # a heap
        self._count = 0
        self._prune_at = _PRUNE_AT

    def make(self, reservation: Reservation) -> None:
        """Keep nodes.

        Raises:
            InvariantViolation: another keeps one of them at the same time, or has its name.
        """
        met = first_met(reservation, self.kept.values())
        if met is not None:
            raise InvariantViolation(f"reservation {reservation.name} meets {met.name}")
        used = sum(self._bits.values())
        self._bits[reservation.name] = ~used & (used + 1)
        self.kept[reservation.name] = reservation
        self._index(reservation.pool)

    def drop(self, name: str) -> Reservation:
        """Keep them no more."""
        reservation = self.kept.pop(name)
        del self._bits[name]
        self._index(reservation.pool)
        return reservation

    def _index(self, pool: PoolName) -> None:
        self._against.clear()
        nodes: dict[NodeName, tuple[str, ...]] = {}
        for each in sorted(self.kept.values(), key=lambda r: (r.begin, r.name)):
            for node in each.nodes if each.pool == pool else ():
                nodes[node] = (*nodes.get(node, ()), each.name)
        self.of_node[pool] = nodes
        if not nodes:
            del self.of_node[pool]

    def names(self, pool: PoolName, node: NodeName) -> tuple[str, ...]:
        """The reservations that keep a node, in the order in which they begin."""
        found = self.of_node.get(pool)
        return () if found is None else found.get(node, ())

    def bits(self, names: tuple[str, ...]) -> int:
        """The bits of some reservations."""
        found = 0
        for name in names:
            found |= self._bits.get(name, 0)
        return found

    def has_begun(self, names: tuple[str, ...]) -> bool:
        """Whether one of these reservations has begun."""
        return any(self.kept[name].begin <= self.now for name in names)

    def spans(self, job: JobRecord) -> Spans:
        """From and until when a job is barred: by those that do not admit it; and before the window
        of the one that it asks to run in."""
        told = job.told
        who = told.tenant, told.user
        against = self._against.get(who)
        if against is None:
            against = [each for each in self.kept.values() if not each.admits(*who)]
            self._against[who] = against
        limit = told.time_limit
        found = {each.name: (each.begin - limit + 1 if limit else 0, each.end) for each in against}
        own = self.kept.get(told.demand.reservation or "")
        if own is not None:
            found[own.name] = 0, own.end if own.name in found else own.begin
        return found

    def bars(self, job: JobRecord, at: Instant) -> int:
        """The bits of the reservations that bar a job at an instant."""
        return self._at(self.spans(job), at) if self.kept else 0

    def _at(self, spans: Spans, at: Instant) -> int:
        found = 0
        for name, (begin, end) in spans.items():
            if begin <= at < end:
                found |= self._bits[name]
        return found

    def judge(self, job: JobRecord) -> int:
        """The same as of now; the job comes to be ``due`` when that changes."""
        if not self.kept:
            job.barred_until = 0
            return 0
        self._prune()
        spans, now = self.spans(job), self.now
        at = min([at for span in spans.values() for at in span if at > now], default=0)
        if at and at != job.barred_until:
            self._count += 1
            heappush(self._due, (at, self._count, job))
        job.barred_until = at
        return self._at(spans, now)

    def _prune(self) -> None:
        """Forget those who have left the line, when they may have become many."""
        if len(self._due) < self._prune_at:
            return
        for _, _, job in self._due:
            if job.phase is not Phase.IN_LINE:
                job.barred_until = 0
        self._due = [entry for entry in self._due if entry[0] == entry[2].barred_until]
        heapify(self._due)
        self._prune_at = max(_PRUNE_AT, 2 * len(self._due))

    def due(self) -> Iterator[JobRecord]:
        """The jobs of which by now other reservations may bar them than before."""
        due = self._due
        while due and due[0][0] <= self.now:
            at, _, job = heappop(due)
            if job.barred_until == at:
                job.barred_until = 0
                yield job

    def wake_at(self) -> Instant | None:
        """When something changes, if nothing else happens."""
        due, now = self._due, self.now
        while due and (due[0][2].phase is not Phase.IN_LINE or due[0][2].barred_until != due[0][0]):
            at, _, job = heappop(due)
            if job.barred_until == at:
                job.barred_until = 0
        times = [at for each in self.kept.values() for at in (each.begin, each.end) if at > now]
        return min(times + [at for at, _, _ in due[:1]], default=None)

    def restore(self, now: Instant, kept: Iterable[tuple[Reservation, int]]) -> None:
        """Come to know what another does (``kept_by_bit``), but for the jobs."""
        self.now = now
        for reservation, bit in kept:
            self.kept[reservation.name], self._bits[reservation.name] = reservation, bit
        for pool in dict.fromkeys(each.pool for each in self.kept.values()):
            self._index(pool)

    def kept_by_bit(self) -> list[tuple[Reservation, int]]:
        """The reservations, each with its bit."""
        return [(each, self._bits[name]) for name, each in self.kept.items()]


def opening(spans: Spans, names: tuple[str, ...], now: Instant) -> Instant:
    """When a job may first start on nodes that some reservations keep, the way things are."""
    at = now
    for begin, end in sorted((spans[n] for n in names if n in spans), key=lambda each: each[1]):
        at = end if begin <= at < end else at
    return at


def make(state: "State", reservation: Reservation) -> None:
    """Keep nodes from now on; who is in line is asked anew whom that bars. One of the same name
    that is over may not have been dropped yet."""
    before = state.advance.kept.get(reservation.name)
    if before is not None and before.end <= reservation.made_at:
        cancel(state, before.name)
    state.advance.make(reservation)
    _changed(state, reservation)


def cancel(state: "State", name: str) -> None:
    """A reservation keeps nothing any more."""
    if name in state.advance.kept:
        _changed(state, state.advance.drop(name))


def _changed(state: "State", reservation: Reservation) -> None:
    state.capacity.file_anew(reservation.pool, reservation.nodes)
    for job in [job for job in state.jobs.values() if job.phase is Phase.IN_LINE]:
        move(state, job)


def pass_time(state: "State", now: Instant) -> None:
    """It is a later instant now: reservations have begun or ended, and jobs are barred that could
    run into one."""
    advance = state.advance
    before, advance.now = advance.now, max(now, advance.now)
    if not advance.kept:
        return
    for each in list(advance.kept.values()):
        if each.end <= advance.now:
            advance.drop(each.name)
            state.capacity.file_anew(each.pool, each.nodes)
        elif before < each.begin <= advance.now and not each.maintenance:
            state.capacity.file_anew(each.pool, each.nodes)
    for job in advance.due():
        if job.phase is Phase.IN_LINE:
            move(state, job)


def move(state: "State", job: JobRecord) -> None:
    """Bring a job in line to the lane of those that the same reservations bar. What was kept for
    it where it was is free for others."""
    bars = state.advance.judge(job)
    if bars == job.bars:
        return
    kept, closed = state.kept.pop(job, None), state.closed.pop(job, None)
    if kept is not None:
        state.capacity.fresh.update(dict.fromkeys(kept.nodes))
    if closed is not None:
        state.capacity.renewed |= closed.mask
    state.line.unblock(job)
    state.line.leave(job)
    if job.claims:
        state.give_up(job)
        state.assess(job)
    job.bars = bars
    state.line.enter(job)
