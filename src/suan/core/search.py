"""Search: the earliest instant at which a whole job fits beside all that is promised to others.

Candidates are asked from the best on, and of equally early starts the best candidate's is taken.
In a pool the job may begin now, or when some node there has more free than before: in between
nothing becomes free, so nothing is missed.
"""

from dataclasses import dataclass

from suan.core.advance import Spans
from suan.core.flavors import Need
from suan.core.matching import Candidate, Shape
from suan.core.nodes import Held, Node
from suan.core.profile import FOREVER, Course, Profile
from suan.model.units import Duration, Instant, NodeName, PoolName


@dataclass(frozen=True, slots=True)
class Promise:
    """When and where a job starts at the latest, and how long it may stay: what it is to hold of
    each node, down to the devices."""

    pool: PoolName
    option: int
    at: Instant
    window: Duration
    spots: tuple[tuple[NodeName, Held], ...]

    def until(self, begin: Instant) -> Instant:
        """When the job should have ended, if it begins then."""
        return min(begin + self.window, FOREVER)


@dataclass(slots=True)
class _Ask:
    """A job by one candidate, and the nodes it may use: better kinds first, then by name. ``spans``
    are from and until when advance reservations bar it."""

    candidate: Candidate
    window: Duration
    nodes: list[tuple[Course, Need]]
    spans: Spans

    def end(self, begin: Instant) -> Instant:
        return min(begin + self.window, FOREVER)

    def slots(self, node: tuple[Course, Need], begin: Instant) -> int:
        course, need = node
        if self.spans and bars(self.spans, course.node, begin):
            return 0
        return course.slots(need, begin, self.end(begin), most=self.candidate.tasks)


@dataclass(frozen=True, slots=True)
class Sought:
    """A start for a job that runs for ``window`` at most: on flavors in ``allowed``, by no
    candidate that is ``barred``, not while a reservation bars it, and ``before`` an instant."""

    window: Duration
    allowed: int
    barred: frozenset[int]
    spans: Spans
    before: Instant = FOREVER


def earliest(profile: Profile, shape: Shape, sought: Sought) -> Promise | None:
    """The earliest start of a job of some shape; ``None`` if there is no such."""
    best: tuple[Instant, _Ask] | None = None
    for number, candidate in enumerate(shape.candidates):
        if not candidate.mask & sought.allowed or number in sought.barred:
            continue
        nodes = _nodes(profile, candidate, sought.allowed)
        ask = _Ask(candidate, sought.window, nodes, sought.spans)
        at = (_single if candidate.tasks == 1 else _gang)(ask, best[0] if best else sought.before)
        if at is not None:
            best = at, ask
            if at <= profile.now:
                break
    return None if best is None else _promise(best[1], best[0])


def _nodes(profile: Profile, candidate: Candidate, allowed: int) -> list[tuple[Course, Need]]:
    return [
        (course, need)
        for flavor, need in candidate.kinds
        if flavor.mask & allowed
        for course in profile.courses(candidate.pool, flavor)
    ]


def _single(ask: _Ask, before: Instant) -> Instant | None:
    """The earliest instant at which some node has room, if it comes before another."""
    best: Instant | None = None
    for node in ask.nodes:
        course, need = node
        if ask.spans and is_kept(ask.spans, course.node):
            times = (at for at in _times(ask, [node]) if at < before)
            at = next((at for at in times if ask.slots(node, at)), None)
        else:
            at = course.first(need, ask.window, before=before)
        if at is not None:
            best = before = at
    return best


def _gang(ask: _Ask, before: Instant) -> Instant | None:
    """The earliest instant at which all tasks have room at once."""
    for at in _times(ask, ask.nodes):
        if at >= before:
            break
        left = ask.candidate.tasks
        for node in ask.nodes:
            left -= ask.slots(node, at)
            if left <= 0:
                return at
    return None


def _times(ask: _Ask, nodes: list[tuple[Course, Need]]) -> list[Instant]:
    """When there may be more room on some nodes than before, from now on."""
    times = {step.at for course, _ in nodes for step in course.steps}
    if ask.spans and times:
        now = min(times)
        times |= {end for _, end in ask.spans.values() if end > now}
    return sorted(times)


def bars(spans: Spans, node: Node, at: Instant) -> bool:
    """Whether an advance reservation of the node bars a job with these spans at an instant."""
    names = node.flavor.key[3] if node.flavor is not None else ()
    return any(spans[name][0] <= at < spans[name][1] for name in names if name in spans)


def is_kept(spans: Spans, node: Node) -> bool:
    """Whether an advance reservation of the node may bar a job with these spans."""
    return any(name in spans for name in node.flavor.key[3]) if node.flavor is not None else False


def _promise(ask: _Ask, at: Instant) -> Promise:
    """The best fit then: the better kinds of node first, and of a kind the tightest."""
    candidate, end = ask.candidate, ask.end(at)
    left, spots = candidate.tasks, []
    kinds = {id(need): number for number, (_, need) in enumerate(candidate.kinds)}
    fitting = [(node, slots) for node in ask.nodes if (slots := ask.slots(node, at))]
    for (course, need), slots in sorted(
        fitting, key=lambda each: (kinds[id(each[0][1])], *_looseness(each[0][0], at, end))
    ):
        held = Held(candidate.per_task, min(left, slots))
        spots.append((course.node.name, course.part(held, need, begin=at, end=end)))
        left -= held.tasks
        if not left:
            break
    return Promise(candidate.pool.name, candidate.option, at, ask.window, tuple(spots))


def _looseness(course: Course, begin: Instant, end: Instant) -> tuple[int, int, int, int, str]:
    least = course.least(begin, end)
    every = [free for devices in least.devices for free in devices]
    whole = sum(free >= 1000 for free in every)
    return whole, sum(every), least.cpu, least.memory, course.node.name
