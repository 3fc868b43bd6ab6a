"""Resizing: an elastic run is told to save and stop, and goes on at once with another size.

*Shrinking* comes before preemption: a job that is first for its flavors and does not fit takes
extras of elastic runs, if they save their work and their priority is not higher than its own. The
fewest runs are told that make room for it. Each gives up what it has above its minimum (one task
needs no more than one node), goes on with the rest before anybody else is looked at, and gets back
at the end of that cycle what nobody needed. No run is resized before it has run for the policy's
``min_run_time``.
"""

from collections.abc import Iterator
from dataclasses import replace

from suan.core.choosing import Choice
from suan.core.deadlines import NEVER, grace_of
from suan.core.elastic import candidate_of
from suan.core.matching import Candidate
from suan.core.packing import Spots
from suan.core.preemption import by_quota_at, lost_work, stops_too_late
from suan.core.records import JobRecord, Part, Phase, RunRecord
from suan.core.state import State
from suan.core.wording import counted
from suan.model.job import Cause
from suan.model.units import Instant, NodeName

_A_RUN = 1 << 100  # more than any work that is lost: one run fewer is told


def shrinking(
    state: State, job: JobRecord, allowed: int, *, now: Instant
) -> tuple[Candidate | None, tuple[Part, ...]]:
    """The tasks that elastic runs give up for a job, and by which of its candidates, the first of
    those where that is enough; or none. Where some may be had only later, the flavors are looked
    at again then."""
    assert job.shape is not None
    next_at = NEVER
    for candidate in job.shape.candidates:
        if not candidate.mask & allowed or state.quotas.over(job, candidate):
            continue
        choice = Choice[Part](state, job, candidate, allowed=allowed)
        parts: list[Part] = []
        for run in state.stretched.values():
            at = _gives_at(state, job, candidate, run=run, now=now)
            if at <= now:
                parts += _parts(choice, run)
            else:
                next_at = min(next_at, at)
        chosen = choice.of(_by_gain(choice, parts, now), by_cost=False) if parts else []
        if chosen:
            return candidate, tuple(chosen)
    if next_at < NEVER:
        state.alarm(job.shape.mask, next_at)
    return None, ()


def _gives_at(
    state: State, job: JobRecord, candidate: Candidate, *, run: RunRecord, now: Instant
) -> Instant:
    """From when on a job may have a run's extras."""
    told = run.job.told
    if run.stopping is not None or told.checkpoint is None:
        return NEVER
    here = run.pool == candidate.pool.name
    if not here and not state.quotas.count:
        return NEVER
    if state.advance.kept and (
        is_barred(state, run, now) or stops_too_late(state, job, run, now=now)
    ):
        return NEVER
    by_quota = by_quota_at(state, job, candidate, run=run)
    if by_quota is not None:
        return by_quota
    safe_until = run.began + state.policy.min_run_time
    return safe_until if told.priority <= job.told.priority else NEVER


def _parts(choice: Choice[Part], run: RunRecord) -> Iterator[Part]:
    """What a run would give up for one task, on each node that it could use; or for a gang, the
    tasks first that make most room."""
    extras = len(run.nodes) - run.job.told.demand.tasks
    if choice.single:
        for node in choice.nodes_of(Part(run, run.nodes)):
            yield Part(run, (node.name,) * min(run.nodes.count(node.name), extras))
        return
    whole = [Part(run, (name,) * run.nodes.count(name)) for name in dict.fromkeys(run.nodes)]
    ranked = sorted(whole, key=lambda part: (-choice.gain(part), part.nodes[0]))
    yield Part(run, tuple(name for part in ranked for name in part.nodes)[:extras])


def _by_gain(choice: Choice[Part], parts: list[Part], now: Instant) -> list[tuple[int, Part]]:
    """Those first that make most room, of equals those that lose least; with what each costs."""
    costs = {part: _A_RUN + lost_work(part.run, now) for part in parts}
    parts.sort(
        key=lambda part: (-choice.gain(part), -len(part.nodes), costs[part], part.run.number)
    )
    return [(costs[part], part) for part in parts]


def give_up(state: State, part: Part, job: JobRecord, *, now: Instant) -> None:
    """A run was told to go on without some of its tasks, for a job."""
    run, left = part.run, list(part.run.nodes)
    for name in part.nodes:
        left.remove(name)
    run.stopping = Cause.RESIZED
    run.makes_room_for = job
    run.keeps = tuple(left)
    if job.making_room is None:
        job.making_room = set()
    job.making_room.add(run.id)
    state.expect_end(run, now + grace_of(run))


def keeping(names: tuple[NodeName, ...]) -> str:
    """With what a run goes on, in words."""
    return f"goes on with at least {counted(len(names), 'node')}"


def is_barred(state: State, run: RunRecord, now: Instant) -> bool:
    """Whether a reservation in advance would keep a run's job from where it is, once it ends."""
    bars = state.advance.bars(run.job, now + grace_of(run))
    closed, pool = state.capacity.closed_to(bars), state.capacity.pools[run.pool]
    flavors = (pool.nodes[name].flavor for name in run.nodes)
    return any(flavor is not None and flavor.mask & closed for flavor in flavors)


def goes_on_at(state: State, run: RunRecord, now: Instant) -> tuple[int, Spots] | None:
    """By which candidate, and where, a run's job goes on that was resized; ``None`` if it has to
    stand in line: a node is gone, the pool takes nothing, or a quota forbids it."""
    job, candidate = run.job, candidate_of(run)
    if job.phase is not Phase.IN_LINE or candidate is None or run.keeps is None:
        return None
    assert job.shape is not None
    number = job.shape.candidates.index(candidate)
    if state.quotas.count and number in state.quotas.barred(job):
        return None
    if state.quotas.over(job, replace(candidate, tasks=len(run.keeps))):
        return None
    closed = state.capacity.closed_to(state.advance.bars(job, now))
    spots = Spots()
    for name, tasks in _tally(run.keeps).items():
        node = candidate.pool.nodes.get(name)
        if node is None or node.home is None or node.flavor is None or node.flavor.mask & closed:
            return None
        need = next((need for flavor, need in candidate.kinds if flavor is node.flavor), None)
        if need is None or need.slots((node.cpu, node.memory, node.devices), tasks) < tasks:
            return None
        spots.append((node, tasks))
    return number, spots


def _tally(names: tuple[NodeName, ...]) -> dict[NodeName, int]:
    found: dict[NodeName, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
