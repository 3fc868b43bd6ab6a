"""One pass of the scheduler, as the steps that a decision goes through.

The design names seven: order, filter, score, place, hold, backfill, preempt. Here stand those
that exist: *settle* answers what has ended; *order* walks the front of the line (``core.line``);
*filter* and *score* are kept per shape and brought up to date before the walk (``core.matching``);
*place* packs one job, whole (``core.packing``). A held job, a reservation that lets a smaller job
pass, and a preemption will each be one more answer to "this job cannot start now", given where
``_order`` finds that out.

The work follows change: a cycle looks only at flavors in ``Capacity.awake``, those that grew or
for which someone else is first in line now. Why that is enough is in
``docs/explanation/scheduling.md``.
"""

from heapq import heappop

from suan.core.fates import settle_next
from suan.core.matching import Candidate
from suan.core.packing import Spots, by_rank, find_first
from suan.core.reasons import Holders, Reasons, of_placement
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.state import State
from suan.model.plan import Decision, Place, Plan, Stop
from suan.model.units import Instant, run_id


class Cycle:
    """One call of ``decide``: at most ``limit`` decisions, committed to the state as they fall."""

    __slots__ = ("decisions", "limit", "now", "state")

    def __init__(self, state: State, now: Instant, limit: int) -> None:
        self.state = state
        self.now = now
        self.limit = limit
        self.decisions: list[Decision] = []

    def run(self) -> Plan:
        """All steps, until nothing more follows or the limit is reached."""
        self._stop()
        self._settle()
        self._return()
        self.state.line.refresh()
        self._order()
        back_off = self.state.back_off
        return Plan(
            now=self.now,
            decisions=tuple(self.decisions),
            wake_at=back_off[0][0] if back_off else None,
            more=self._more(),
        )

    def _full(self) -> bool:
        return len(self.decisions) >= self.limit

    def _more(self) -> bool:
        state = self.state
        if not self._full():
            return False
        return bool(state.stops or state.unsettled or (state.capacity.awake and state.line.front))

    def _stop(self) -> None:
        """Ask for the end of runs whose jobs were cancelled."""
        stops = self.state.stops
        while stops and not self._full():
            run = stops.popleft()
            if run.id in self.state.runs and run.stopping is not None:
                self.decisions.append(Stop(run.id, run.stopping, "its job was cancelled"))

    def _settle(self) -> None:
        """Answer what has ended: finish the job, or put it back in its place."""
        unsettled = self.state.unsettled
        while unsettled and not self._full():
            self.decisions.append(settle_next(self.state, self.now))

    def _return(self) -> None:
        """Jobs whose back-off is over take their place in line again."""
        back_off = self.state.back_off
        while back_off and (
            back_off[0][0] <= self.now or back_off[0][2].phase is not Phase.BACKS_OFF
        ):
            job = heappop(back_off)[2]
            if job.phase is Phase.BACKS_OFF:
                self.state.line.enter(job)

    def _order(self) -> None:
        """Walk the front: who is first for some flavor that is awake starts, or holds it."""
        state = self.state
        front, capacity = state.line.front, state.capacity
        reserved, at = 0, 0
        holders: Holders = []
        while at < len(front):
            if not capacity.awake & ~reserved:
                break
            _, mask, contest = front[at]
            job = contest.head
            assert job is not None
            allowed = mask & ~reserved
            if allowed & capacity.awake:
                if self._full():
                    return
                placed = self._place(job, allowed, holders)
                if placed is not None:
                    self.decisions.append(placed)
                    continue
            reserved |= mask
            holders.append((mask, job))
            at += 1
        capacity.awake = 0

    def _place(self, job: JobRecord, allowed: int, holders: Holders) -> Place | None:
        """Start a job on the best pool that takes it now, or leave it first in line."""
        shape = job.shape
        assert shape is not None
        # on what sleeps it was tried before
        found = find_first(shape.candidates, allowed, self.state.capacity.awake)
        if found is None:
            return None
        number, spots = found
        said = of_placement(shape, number, allowed, holders=holders)
        return self._start(job, shape.candidates[number], spots, said=said)

    def _start(self, job: JobRecord, candidate: Candidate, spots: Spots, *, said: Reasons) -> Place:
        job.attempts += 1
        run = RunRecord(
            run_id(job.id, job.attempts),
            job,
            pool=candidate.pool.name,
            nodes=by_rank(spots),
            per_task=candidate.per_task,
            option=candidate.option,
        )
        self.state.start(run)
        return Place(
            job=job.id,
            run=run.id,
            attempt=job.attempts,
            pool=run.pool,
            option=run.option,
            nodes=run.nodes,
            per_task=run.per_task,
            costs=said[0],
            refusals=said[1],
        )
