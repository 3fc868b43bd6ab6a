"""One pass of the scheduler, as the steps that a decision goes through.

*settle* answers what has ended; *order* walks the front of the line (``core.line``); *filter* and
*score* are kept per shape and brought up to date before the walk (``core.matching``); *place*
packs one job, whole (``core.packing``). Of a job that cannot start now, *preempt* says who must
make room for it (``core.preemption``), and *backfill* who may pass it (``core.backfill``). *Hold*,
the design's seventh step, will be one more answer there.

The work follows change: a cycle looks only at flavors in ``Capacity.awake``, those that grew or
for which someone else is first in line now. Why that is enough is in
``docs/explanation/scheduling.md``.
"""

from heapq import heappop
from itertools import islice

from suan.core.advance import pass_time
from suan.core.advance_words import kept_from
from suan.core.backfill import Backfill
from suan.core.budgets import hourly
from suan.core.deadlines import hurry, next_look
from suan.core.devices import Grant
from suan.core.elastic import Extras, is_elastic
from suan.core.fates import settle_next
from suan.core.growing import grow, growing
from suan.core.matching import Candidate
from suan.core.packing import Spots, by_rank, find_first
from suan.core.preemption import may_displace, spare, victims, yield_to
from suan.core.promises import Promises, brought
from suan.core.reasons import Front, Reasons, of_backfill, of_placement, of_promise
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.resizing import give_up, goes_on_at, keeping, shrinking
from suan.core.state import State
from suan.model.job import SAVING, Cause
from suan.model.plan import Decision, Place, Plan, Stop
from suan.model.units import Instant, NodeName, run_id


class Cycle:
    """One call of ``decide``: at most ``limit`` decisions, committed to the state as they fall."""

    __slots__ = ("decisions", "elastic", "limit", "now", "state")

    def __init__(self, state: State, now: Instant, limit: int) -> None:
        self.state = state
        self.now = now
        self.limit = limit
        self.decisions: list[Decision] = []
        self.elastic: dict[int, RunRecord] = {}  # started in this cycle, by the decision's number

    def run(self) -> Plan:
        """All steps, until nothing more follows or the limit is reached."""
        state = self.state
        pass_time(state, self.now)
        state.quotas.pass_time(self.now)
        state.hear()
        if state.room_for:
            self._make_room()
        if state.stops:
            self._stop()
        if state.unsettled:
            self._settle()
        if state.back_off:
            self._return()
        self._refresh()
        state.capacity.typical.renew()
        if state.shares.counts:
            state.shares.tick(self.now)
        if state.deadlines:
            hurry(state, self.now)
        if state.shares.moved:
            state.settle_order()
        if state.quotas.eased:
            state.unblock()
        if state.alarms:
            self._wake()
        if state.capacity.awake or state.line.windowed:
            self._order()
        if self.elastic or state.growable:
            self._size()
        return Plan(self.now, tuple(self.decisions), self._wake_at(), self._more())

    def _wake(self) -> None:
        """Flavors whose time has come are looked at again."""
        alarms = self.state.alarms
        for mask in [mask for mask, at in alarms.items() if at <= self.now]:
            del alarms[mask]
            self.state.capacity.awake |= mask
            self.state.line.unblock_within(mask)

    def _wake_at(self) -> Instant | None:
        state = self.state
        advance, deadlines = state.advance.kept, state.deadlines
        plain = not (advance or deadlines or state.growable or state.quotas.budgets.purses)
        if plain and not (state.alarms or state.back_off):
            return None
        times = list(state.alarms.values())
        if state.growable and state.grow_at is not None:
            times.append(state.grow_at)
        if state.back_off:
            times.append(state.back_off[0][0])
        if (reserved := state.advance.wake_at()) is not None:
            times.append(reserved)
        if (look := next_look(state, self.now) if deadlines else None) is not None:
            times.append(look)
        if (frees_at := state.frees_at()) is not None:
            times.append(frees_at)
        return min(times, default=None)

    def _full(self) -> bool:
        return len(self.decisions) >= self.limit

    def _more(self) -> bool:
        state = self.state
        if not self._full():
            return False
        looks = state.capacity.awake or state.line.arrived
        return bool(
            state.stops or state.unsettled or state.resuming or (looks and state.line.front)
        )

    def _make_room(self) -> None:
        """Those whom an earlier leader told to stop make room for whom he said."""
        state = self.state
        for name, whom in state.room_for.items():
            run, job = state.runs.get(name), state.jobs.get(whom)
            if run is not None and job is not None and job.phase is Phase.IN_LINE:
                yield_to(state, run, job, now=self.now)
        state.room_for.clear()

    def _stop(self) -> None:
        """Ask for the end of runs whose jobs were cancelled, or that make room for others."""
        stops = self.state.stops
        while stops and not self._full():
            run = stops.popleft()
            if run.id not in self.state.runs or run.stopping in (None, run.told):
                continue
            if run.stopping not in SAVING:
                self._tell(run, run.stopping, "its job was cancelled")
            elif (job := run.makes_room_for) is not None and job.phase is Phase.IN_LINE:
                how = "is to go on elsewhere, and " if run.moves else ""
                if run.keeps is not None:
                    how = f"{keeping(run.keeps)}, and "
                whom = f"{'the deadline of ' if job.hurries else ''}job {job.id}"
                self._tell(run, run.stopping, f"it {how}makes room for {whom}")
            else:
                spare(self.state, run)

    def _tell(self, run: RunRecord, cause: Cause, detail: str) -> None:
        self.state.tell(run, cause)
        whom = run.makes_room_for.id if run.makes_room_for is not None else None
        self.decisions.append(Stop(run.id, cause, detail, run.keeps, whom))

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
                self.state.enter(job)

    def _refresh(self) -> None:
        """Match what is new. Runs that ended to have another size go on, before anybody has what
        they keep."""
        state = self.state
        if state.capacity.changed or state.line.unmatched:
            state.refresh()
        resuming = state.resuming
        while resuming and not self._full():
            run = resuming.popleft()
            found = goes_on_at(state, run, self.now)
            if found is not None:
                assert run.job.shape is not None
                candidate = run.job.shape.candidates[found[0]]
                said = (candidate.cost,), ()
                self.decisions.append(self._start(run.job, candidate, found[1], said=said))

    def _order(self) -> None:
        """Walk the front, and then let those behind it pass where nobody is delayed."""
        state, capacity = self.state, self.state.capacity
        looked = capacity.awake
        if state.policy.backfill == "conservative":
            self._keep_promises()
        else:
            self._walk()
        if state.policy.backfill == "easy":
            self._backfill()
            if capacity.fresh or capacity.renewed:
                self._backfill()  # a reservation that moved may let others by
        else:
            capacity.fresh, capacity.renewed = {}, 0
        if self._full():
            capacity.awake |= looked
        else:
            capacity.awake = 0

    def _keep_promises(self) -> None:
        """Promise starts, or earlier ones, and start whoever's time has come."""
        state = self.state
        left = state.promises is None or any(job.lane is None for job in state.promised)
        while left or state.capacity.awake or state.line.arrived or state.line.joined:
            promises = brought(state, self.now)
            promises.make()
            blocker = promises.blocker()
            if blocker is not None:
                state.block(blocker)
                continue
            left = False
            for job in promises.due():
                if self._full():
                    return
                left = not self._start_promised(job, promises) or left
            state.line.arrived = {}
            for job, promise in state.promised.items():
                assert job.shape is not None
                state.alarm(job.shape.mask, promise.at)
            if not left:
                return

    def _start_promised(self, job: JobRecord, promises: Promises) -> bool:
        """Start a job as it was promised, unless a quota forbids that since others started."""
        promise, shape = self.state.promised.pop(job), job.shape
        candidate = promises.candidate(job, promise)
        if candidate is None or shape is None:
            return False
        nodes = self.state.capacity.pools[promise.pool].nodes
        spots = [(nodes[name], held.tasks) for name, held in promise.spots]
        said = of_promise(shape, shape.candidates.index(candidate), self.state.promised)
        grants = {name: held.grant for name, held in promise.spots}
        placed = self._start(job, candidate, spots, said=said, grants=grants)
        self.decisions.append(placed)
        promises.began(self.state.runs[placed.run])
        return True

    def _walk(self) -> None:
        """Who is first for some flavor that is awake starts, or holds it."""
        state = self.state
        front, capacity = state.line.front, state.capacity
        at, reserved = _pass_over(front, 0, 0, awake=capacity.awake)
        while at < len(front) and not self._full():
            _, mask, contest = front[at]
            job = contest.head
            assert job is not None
            if not self._try(job, mask & ~reserved, front[:at]):
                at, reserved = at + 1, reserved | mask
            elif state.shares.moved or job.phase is Phase.IN_LINE:  # others come first now
                state.settle_order()
                at, reserved = 0, 0
            at, reserved = _pass_over(front, at, reserved, awake=capacity.awake)

    def _try(self, job: JobRecord, allowed: int, before: Front) -> bool:
        """Start the first job for some flavors, or take it out of their contest with its queue
        where a quota or limit keeps it out; or else it holds them. Those ``before`` it wait."""
        shape, barred = job.shape, self.state.barred(job)
        assert shape is not None
        # on what sleeps it was tried before
        awake = self.state.capacity.awake
        found = find_first(shape.candidates, allowed, awake, barred=barred)
        if found is not None:
            number, spots = found
            kept = kept_from(self.state, job, self.now) if job.bars else None
            said = of_placement(shape, number, allowed, before=before, kept=kept)
            self.decisions.append(self._start(job, shape.candidates[number], spots, said=said))
            return True
        place = job.order
        self._preempt(job, allowed)
        if len(barred) == len(shape.candidates) and not job.making_room:
            self.state.block(job)
            return True
        return job.order != place

    def _start(
        self,
        job: JobRecord,
        candidate: Candidate,
        spots: Spots,
        *,
        said: Reasons,
        grants: dict[NodeName, Grant] | None = None,
    ) -> Place:
        job.attempts += 1
        job.making_room, job.clears, job.moved = None, False, False
        run = RunRecord(
            run_id(job.id, job.attempts),
            job,
            pool=candidate.pool.name,
            nodes=by_rank(spots),
            per_task=candidate.per_task,
            option=candidate.option,
        )
        run.hourly = hourly(job, candidate) * len(run.nodes) // candidate.tasks
        self.state.start(run, self.now, grants)
        if is_elastic(job.told.demand) and self.state.policy.backfill != "conservative":
            self.elastic[len(self.decisions)] = run
        return Place(
            job.id,
            run.id,
            job.attempts,
            run.pool,
            run.option,
            run.nodes,
            run.per_task,
            said[0],
            said[1],
            job.hurries,
        )

    def _size(self) -> None:
        """Give elastic runs what nobody else could use; those that start now get it at once."""
        if self.elastic and not self._full():
            self._stretch()
        if not self.state.growable or not self.state.policy.preemption or self._full():
            return
        for run, more in growing(self.state, self.now):
            if self._full():
                break
            grow(self.state, run, self.now)
            self._tell(run, Cause.RESIZED, f"it goes on with up to {len(run.nodes) + more} nodes")

    def _stretch(self) -> None:
        """Give the elastic runs that were placed what nobody who waits could use."""
        state = self.state
        extras = Extras(state, self.now, self.elastic.values())
        if state.line.windowed and (state.capacity.fresh or state.capacity.renewed):
            self._backfill()  # a reservation that moved may let others by first
            if self._full():
                return
            extras = Extras(state, self.now, self.elastic.values())
        for number, run in self.elastic.items():
            place = self.decisions[number]
            assert isinstance(place, Place)
            self.decisions[number] = extras.give(run, place)

    def _shrink(self, job: JobRecord, allowed: int) -> bool:
        """Where elastic runs have more than their minimum, take that for a job if it is enough."""
        state = self.state
        if not state.stretched or not state.policy.preemption or job.making_room:
            return False
        if state.quotas.count and state.quotas.at_limit(job):
            return False
        candidate, parts = shrinking(state, job, allowed, now=self.now)
        for part in parts:
            give_up(state, part, job, now=self.now)
            state.stops.append(part.run)
        if candidate is not None and state.quotas.may_reclaim(job, candidate):
            state.claim(job, candidate)
        self._stop()
        return bool(parts)

    def _preempt(self, job: JobRecord, allowed: int) -> None:
        """Where a job may displace others, tell the cheapest ones to stop."""
        if self._shrink(job, allowed) or not may_displace(self.state, job, self.now):
            return
        candidate, runs, movers = victims(self.state, job, allowed, now=self.now)
        for run in runs:
            yield_to(self.state, run, job, now=self.now, moves=run in movers)
            self.state.stops.append(run)
        if candidate is not None and self.state.quotas.may_reclaim(job, candidate):
            self.state.claim(job, candidate)
        if movers:
            self.state.clear(job)
        self._stop()

    def _backfill(self) -> None:
        """Start whoever delays no reservation, in order."""
        state = self.state
        if self._full():
            return
        backfill = Backfill(state, self.now)
        backfill.look()
        while not self._full():
            found = backfill.next_start()
            if found is None:
                break
            job, fit = found
            shape = job.shape
            assert shape is not None
            candidate = shape.candidates[fit.number]
            kept = kept_from(state, job, self.now)
            said = of_backfill(shape, fit.number, backfill, kept=kept)
            placed = self._start(job, candidate, fit.spots, said=said)
            self.decisions.append(placed)
            backfill.started(fit.spots, state.runs[placed.run])
            if state.policy.preemption and backfill.passes_better(job):
                state.alarm(shape.mask, self.now + state.policy.min_run_time)
        state.line.arrived = backfill.left()
        backfill.watch()


def _pass_over(front: Front, at: int, reserved: int, *, awake: int) -> tuple[int, int]:
    """From a place in front on, the next contest with a flavor that is awake and not reserved by
    those before it; and all that these reserve."""
    if not awake & ~reserved:
        return len(front), reserved
    for _, mask, _ in islice(front, at, None):
        if mask & awake & ~reserved:
            break
        reserved |= mask
        at += 1
    return at, reserved
