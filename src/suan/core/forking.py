"""Fork: the same state once more, sharing only values that never change.

What is derived (shapes, lanes, contests, flavors) is built anew from what is known, so that a
fork is also a check: its plans equal the original's. What sleeps in the original sleeps in the
fork, too: its flavors have the same bits, so that what is awake and the alarms mean the same.
"""

from collections.abc import Container

from suan.core.capacity import Capacity, Pool
from suan.core.deadlines import grace_of
from suan.core.flavors import index, unindex
from suan.core.matching import Shape
from suan.core.nodes import Held, Node
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.state import Kept, QueueState, State, Unsettled
from suan.model.units import JobId


def fork(state: State, line: Container[JobId] | None = None) -> State:
    """A copy in which nothing that changes is shared. Of the jobs in line only those in ``line``
    are copied, if that is given: such a copy is good for a look ahead, and for nothing else."""
    state.refresh()
    other = State()
    for name, queue in state.queues.items():
        other.queues[name] = _queue(queue)
    other.set_policy(state.policy)
    other.durations, other.heard = state.durations.fork(), list(state.heard)
    other.shares = state.shares.fork()
    other.quotas = state.quotas.fork()
    other.started, other.grow_at = state.started, state.grow_at
    other.advance.restore(state.advance.now, state.advance.kept_by_bit())
    other.line.closed = set(state.line.closed)
    other.capacity.typical.copy(state.capacity.typical)
    for pool in state.capacity.pools.values():
        _pool(other.capacity, pool)
    shapes: dict[int, Shape] = {}  # by the original's identity: cheaper than hashing demands
    jobs = {
        job.id: _job(other, job, shapes)
        for job in state.jobs.values()
        if line is None or job.phase is not Phase.IN_LINE or job.id in line
    }
    other.jobs = jobs
    other.quotas.claims = {
        jobs[job.id]: amounts for job, amounts in state.quotas.claims.items() if job.id in jobs
    }
    for of, blocker in state.line.blocked.items():
        if blocker.id in jobs:
            other.line.block(of, jobs[blocker.id])
    other.barred_jobs = {jobs[job.id]: None for job in state.barred_jobs if job.id in jobs}
    for run in state.runs.values():
        _run(other, jobs, run)
    other.room_for = dict(state.room_for)
    other.priorities = dict(state.priorities)
    _queues_of_work(state, other, jobs)
    _attention(state, other, jobs)
    return other


def _queue(queue: QueueState) -> QueueState:
    other = QueueState()
    other.weight, other.discipline, other.is_open = queue.weight, queue.discipline, queue.is_open
    other.jobs, other.running = queue.jobs, queue.running
    return other


def _pool(capacity: Capacity, pool: Pool) -> None:
    other = capacity.pool(pool.name)
    other.offer, other.available, other.drained = pool.offer, pool.available, pool.drained
    other.detail, other.observed_at = pool.detail, pool.observed_at
    for key, flavor in pool.flavors.items():
        capacity.add_flavor(other, key, flavor.mask)
    for node in pool.nodes.values():
        copy = other.nodes[node.name] = Node(node.name)
        copy.status, copy.known = node.status, node.known
        if node.known:
            capacity.file(other, copy)
        _occupancy(node, copy)


def _occupancy(node: Node, copy: Node) -> None:
    """The very same devices stay taken by the very same runs."""
    filed = copy.home is not None
    unindex(copy)
    copy.cpu, copy.memory = node.cpu, node.memory
    copy.devices = tuple(list(devices) for devices in node.devices)
    for run, held in node.runs.items():
        copy.runs[run] = Held(held.per_task, held.tasks)
        copy.runs[run].grant = held.grant
    if filed:
        index(copy)


def _job(state: State, job: JobRecord, shapes: dict[int, Shape]) -> JobRecord:
    other = state.record(job.told)
    other.rank, other.window, other.expected = job.rank, job.window, job.expected
    other.claims, other.latest, other.hurries = job.claims, job.latest, job.hurries
    other.served, other.nobody_yields_until = job.served, job.nobody_yields_until
    other.clears, other.moved = job.clears, job.moved
    other.nobody_moves_until = job.nobody_moves_until
    other.making_room = None if job.making_room is None else set(job.making_room)
    other.attempts, other.tries, other.rejected_by = job.attempts, job.tries, job.rejected_by
    other.cancelled, other.not_before, other.phase = job.cancelled, job.not_before, job.phase
    other.waits_for = None if job.waits_for is None else dict(job.waits_for)
    shape = shapes.get(id(job.shape))
    if shape is None:
        shape = shapes[id(job.shape)] = state.line.shape_of(job.told.demand, job.rejected_by)
    shape.jobs += 1
    other.shape = shape
    if job.phase is Phase.IN_LINE:
        other.bars = state.advance.judge(other)
        state.line.enter(other)
        state.deadlines.add(other)
    return other


def _ended(jobs: dict[JobId, JobRecord], run: RunRecord) -> RunRecord:
    """A run whose job is to go on."""
    job = jobs[run.job.id]
    other = RunRecord(
        run.id,
        job,
        pool=run.pool,
        nodes=run.nodes,
        per_task=run.per_task,
        option=run.option,
    )
    other.keeps = run.keeps
    return other


def _run(state: State, jobs: dict[JobId, JobRecord], run: RunRecord) -> None:
    other = RunRecord(
        run.id,
        jobs[run.job.id],
        pool=run.pool,
        nodes=run.nodes,
        per_task=run.per_task,
        option=run.option,
    )
    other.started, other.stopping, other.told = run.started, run.stopping, run.told
    other.number, other.began, other.until = run.number, run.began, run.until
    other.keeps, other.moves, other.room_since = run.keeps, run.moves, run.room_since
    if run.makes_room_for is not None:
        other.makes_room_for = jobs.get(run.makes_room_for.id)
    other.job.run = other
    other.hourly = run.hourly
    state.quotas.budgets.open(other)
    state.runs[run.id] = other
    state.note_size(other)
    pool = state.capacity.pools[run.pool]
    pool.enter(other, grace_of(other))
    pool.ends.add(other)


def _queues_of_work(state: State, other: State, jobs: dict[JobId, JobRecord]) -> None:
    other.waiters = {
        name: [jobs[job.id] for job in waiting if job.id in jobs]
        for name, waiting in state.waiters.items()
    }
    other.back_off = [
        (until, rank, jobs[job.id]) for until, rank, job in state.back_off if job.id in jobs
    ]
    for item in state.unsettled:
        job = jobs[item.job.id]
        run = None if item.run is None else _ended(jobs, item.run)
        other.unsettled.append(Unsettled(job, run, item.outcome, item.skipped))
    for run in state.resuming:
        other.resuming.append(_ended(jobs, run))
    for run in state.stops:
        if run.id in other.runs:
            other.stops.append(other.runs[run.id])


def _attention(state: State, other: State, jobs: dict[JobId, JobRecord]) -> None:
    """What the original would look at next, and no more, is what the fork looks at next. Whoever
    has left the line keeps nothing in a fork: what he kept is fresh there."""
    other.refresh()
    capacity, twins = other.capacity, _twins(state.capacity, other.capacity)
    capacity.awake, capacity.renewed = state.capacity.awake, state.capacity.renewed
    capacity.fresh = {twins[node]: None for node in state.capacity.fresh if node in twins}
    heads = (lane.head() for lane in state.line.arrived)
    lanes = (jobs[head.id].lane for head in heads if head is not None and head.id in jobs)
    other.line.arrived = dict.fromkeys(lane for lane in lanes if lane is not None)
    other.alarms = dict(state.alarms)
    for job, kept in state.kept.items():
        nodes = tuple(twins[node] for node in kept.nodes if node in twins)
        if job.id in jobs:
            other.kept[jobs[job.id]] = Kept(kept.at, kept.stands_until, nodes)
        else:
            capacity.fresh.update(dict.fromkeys(nodes))
    for job, promise in state.promised.items():
        if job.id in jobs:
            other.promised[jobs[job.id]] = promise
        elif job.shape is not None:  # what was promised to whom has left is to be had
            capacity.awake |= job.shape.mask
    for job, closed in state.closed.items():
        if job.id in jobs:
            other.closed[jobs[job.id]] = closed
        else:
            capacity.renewed |= closed.mask


def _twins(capacity: Capacity, other: Capacity) -> dict[Node, Node]:
    return {
        node: other.pools[pool.name].nodes[node.name]
        for pool in capacity.pools.values()
        for node in pool.nodes.values()
    }
