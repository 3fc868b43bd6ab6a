"""What will be free of each node over time: after what runs has ended, but for what is promised.

A node's *course* is a list of steps, each with what is free from its instant on. Runs of which no
end is known never give anything back. Courses are kept from cycle to cycle: what has begun or
ended since, or is expected to end at another time, is put in. Not for: deciding who gets what
(``core.search``, ``core.promises``).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from suan.core.capacity import Pool
from suan.core.devices import choose
from suan.core.flavors import Flavor, Need, device_slots
from suan.core.nodes import Held, Node
from suan.model.units import Duration, Instant, NodeName, PoolName, RunId, Thousandths

if TYPE_CHECKING:
    from suan.core.records import RunRecord

FOREVER: Duration = 1 << 62
"""How long a job is taken to run of which nothing is known."""

_AT = attrgetter("at")


class Step:
    """What is free from an instant on, until the next step."""

    __slots__ = ("at", "cpu", "devices", "memory")

    def __init__(
        self, at: Instant, cpu: Thousandths, memory: int, *, devices: list[list[Thousandths]]
    ) -> None:
        self.at = at
        self.cpu = cpu
        self.memory = memory
        self.devices = devices

    def copy(self, at: Instant) -> "Step":
        """The same from another instant on."""
        return Step(at, self.cpu, self.memory, devices=[list(free) for free in self.devices])

    def change(self, held: Held, times: int) -> None:
        """Give back what ``held`` holds, or take it with ``times`` of -1."""
        tasks = times * held.tasks
        self.cpu += tasks * held.per_task.cpu_milli
        self.memory += tasks * held.per_task.memory_mib
        for model, at, part in held.grant:
            self.devices[model][at] += times * part

    def is_like(self, other: "Step") -> bool:
        """Whether as much is free from then on."""
        mine, its = (self.cpu, self.memory, self.devices), (other.cpu, other.memory, other.devices)
        return mine == its


class Course:
    """One node from now on."""

    __slots__ = ("node", "steps")

    def __init__(self, node: Node, now: Instant) -> None:
        self.node = node
        devices = [list(free) for free in node.devices]
        self.steps = [Step(now, node.cpu, node.memory, devices=devices)]

    def bring(self, now: Instant) -> None:
        """What was before now is over."""
        steps = self.steps
        if len(steps) > 1 and steps[1].at <= now:
            del steps[: bisect_right(steps, now, key=_AT) - 1]
        if steps[0].at < now:
            steps[0].at = now

    def _split(self, at: Instant) -> int:
        """The number of the step that begins at an instant, made if there is none."""
        number = bisect_right(self.steps, at, key=_AT) - 1
        if self.steps[number].at != at:
            number += 1
            self.steps.insert(number, self.steps[number - 1].copy(at))
        return number

    def _join(self, number: int) -> None:
        """A step from which on as much is free as before is none."""
        steps = self.steps
        if 0 < number < len(steps) and steps[number].is_like(steps[number - 1]):
            del steps[number]

    def change(self, held: Held, begin: Instant, end: Instant, *, times: int) -> None:
        """From ``begin`` until ``end`` there is more free, or less with ``times`` of -1."""
        if begin >= end:
            return
        first = self._split(begin)
        last = self._split(end) if end < FOREVER else len(self.steps)
        for step in self.steps[first:last]:
            step.change(held, times)
        self._join(last)
        self._join(first)

    def least(self, begin: Instant, end: Instant) -> Step:
        """What is free all the time from ``begin`` until ``end``."""
        number = bisect_right(self.steps, begin, key=_AT) - 1
        found = self.steps[number].copy(begin)
        for step in self.steps[number + 1 :]:
            if step.at >= end:
                break
            found.cpu, found.memory = min(found.cpu, step.cpu), min(found.memory, step.memory)
            for devices, others in zip(found.devices, step.devices, strict=True):
                devices[:] = map(min, devices, others)
        return found

    def most(self, begin: Instant, end: Instant) -> tuple[Thousandths, int]:
        """The most processors and the most memory that are free at any time in between."""
        first = bisect_right(self.steps, begin, key=_AT) - 1
        last = bisect_left(self.steps, end, lo=first + 1, key=_AT)
        steps = self.steps[first:last]
        return max([step.cpu for step in steps]), max([step.memory for step in steps])

    def slots(self, need: Need, begin: Instant, end: Instant, *, most: int) -> int:
        """How many tasks may be here from ``begin`` until ``end``, at most ``most``."""
        step = self.steps[bisect_right(self.steps, begin, key=_AT) - 1]
        if step.cpu < need.cpu or step.memory < need.memory:  # often enough to tell
            return 0
        least = self.least(begin, end)
        return need.slots((least.cpu, least.memory, least.devices), most)

    def first(
        self, need: Need, window: Duration, *, before: Instant, own: Instant = FOREVER
    ) -> Instant | None:
        """The earliest start of one task that stays for ``window``, if it comes ``before``. From
        ``own`` on it has its room here anyway."""
        steps, accelerators = self.steps, need.kin.accelerators
        cpu, memory, last = need.cpu, need.memory, len(steps) - 1
        since: int | None = None  # from this step on there has been room in each
        for number, step in enumerate(steps):
            if since is None and step.at >= before:
                return None
            if step.cpu < cpu or step.memory < memory:
                since = None
                continue
            if accelerators and not device_slots(step.devices, accelerators, 1):
                since = None
                continue
            since = number if since is None else since
            end = steps[number + 1].at if number < last else FOREVER
            while since is not None:
                at = steps[since].at
                if at >= before:
                    return None
                if end < own and end - at < window:
                    break
                if not accelerators or self.slots(need, at, min(at + window, FOREVER), most=1):
                    return at
                since = since + 1 if since < number else None
        return None

    def holds(self, held: Held, begin: Instant, end: Instant) -> bool:
        """Whether there is room for the very devices of ``held``, and the rest of it."""
        least = self.least(begin, end)
        least.change(held, -1)
        parts = (free for devices in least.devices for free in devices)
        return least.cpu >= 0 and least.memory >= 0 and all(free >= 0 for free in parts)

    def part(self, held: Held, need: Need, *, begin: Instant, end: Instant) -> Held:
        """What tasks that fit from ``begin`` until ``end`` are to hold: which devices, too."""
        devices = self.least(begin, end).devices
        granted: list[tuple[int, int, Thousandths]] = []
        for model, amount in need.kin.accelerators:
            for _ in range(held.tasks):
                for at, part in choose(devices[model], amount):
                    devices[model][at] -= part
                    granted.append((model, at, part))
        held.grant = tuple(granted)
        return held


@dataclass(slots=True)
class _Known:
    """A run as it was put in: what it holds of each node, and gives back ``until`` then."""

    held: tuple[tuple[Course, Held], ...]
    until: Instant | None
    nodes: tuple[NodeName, ...]
    keeps: tuple[NodeName, ...] | None


@dataclass(slots=True)
class _Read:
    """A pool as it was last read."""

    pool: Pool
    refiled: int
    version: int = -1
    known: dict[RunId, _Known] = field(default_factory=dict)
    flavors: dict[Flavor, list[Course]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gain:
    """On a node there is more free than there was, from ``begin`` until ``end``: at some time so
    many processors, and so much memory."""

    course: Course
    begin: Instant
    end: Instant
    cpu: Thousandths
    memory: int

    def and_also(self, other: "Gain") -> "Gain":
        """One of the same course that has all that either has."""
        begin, end = min(self.begin, other.begin), max(self.end, other.end)
        cpu, memory = max(self.cpu, other.cpu), max(self.memory, other.memory)
        return Gain(self.course, begin, end, cpu, memory)


class Profile:
    """The courses of all nodes of the pools of which that is asked. ``gains`` are where more came
    to be free than before, and ``lost`` has the nodes where less did; others take these out."""

    __slots__ = ("_courses", "_merged", "_read", "gains", "lost", "now")

    def __init__(self, now: Instant) -> None:
        self.now = now
        self.gains: list[Gain] = []
        self.lost: dict[Node, None] = {}
        self._merged: tuple[int, int, list[Gain]] = (0, 0, [])
        self._courses: dict[Node, Course] = {}
        self._read: dict[PoolName, _Read] = {}

    def course(self, pool: Pool, node: Node) -> Course:
        """A node's course."""
        self._of(pool)
        return self._courses[node]

    def courses(self, pool: Pool, flavor: Flavor) -> list[Course]:
        """Those of the nodes of a flavor that take anything, by name."""
        read = self._of(pool)
        found = read.flavors.get(flavor)
        if found is None:
            every = (entry[3] for bucket in flavor.buckets.values() for entry in bucket.nodes)
            nodes = sorted(every, key=lambda node: node.name)
            found = read.flavors[flavor] = [self._courses[node] for node in nodes]
        return found

    def gain(self, course: Course, begin: Instant, end: Instant) -> None:
        """There is more free now."""
        self.gains.append(Gain(course, begin, end, *course.most(begin, end)))

    def gains_since(self, count: int) -> list[Gain]:
        """Where more came to be free since there were so many gains: one for each course."""
        if count == len(self.gains):
            return []
        if self._merged[:2] != (count, len(self.gains)):
            found: dict[Course, Gain] = {}
            for each in self.gains[count:]:
                before = found.get(each.course)
                found[each.course] = each if before is None else each.and_also(before)
            self._merged = count, len(self.gains), list(found.values())
        return self._merged[2]

    def forget_gains(self) -> None:
        """Whoever asks next has no use for those that there were until now."""
        self.gains.clear()
        self._merged = (0, 0, [])

    def bring(self, pools: Mapping[PoolName, Pool], now: Instant) -> bool:
        """Come to a later instant, and put in what has happened since. ``False`` if that cannot be
        put in, since nodes are others now: then all is to be read anew."""
        self.now = now
        for read in self._read.values():
            pool = read.pool
            if pools.get(pool.name) is not pool or pool.refiled != read.refiled:
                return False
        for course in self._courses.values():
            course.bring(now)
        return all(self._catch_up(read) for read in self._read.values())

    def began(self, run: "RunRecord", pool: Pool, until: Instant) -> None:
        """What was promised is what a run holds from now on, ``until`` then."""
        end = until if until < FOREVER else None
        self._of(pool).known[run.id] = _Known(self._held(pool, run), end, run.nodes, run.keeps)

    def _of(self, pool: Pool) -> _Read:
        read = self._read.get(pool.name)
        if read is None:
            read = self._read[pool.name] = _Read(pool, pool.refiled, pool.version)
            self._courses.update((node, Course(node, self.now)) for node in pool.nodes.values())
            for run in pool.open.values():
                self._read_run(read, run)
        return read

    def _read_run(self, read: _Read, run: "RunRecord") -> None:
        """What it holds is gone already, and comes back."""
        held = self._held(read.pool, run)
        read.known[run.id] = _Known(held, run.until, run.nodes, run.keeps)
        if run.until is not None:
            for course, _ in held:
                leaves = run.leaves(course.node)
                course.change(leaves, max(run.until, self.now + 1), FOREVER, times=1)

    def _held(self, pool: Pool, run: "RunRecord") -> tuple[tuple[Course, Held], ...]:
        nodes = (pool.nodes[name] for name in dict.fromkeys(run.nodes))
        courses = (self._courses.get(node) for node in nodes)  # none: nobody could use it
        return tuple((each, run.held(each.node)) for each in courses if each is not None)

    def _catch_up(self, read: _Read) -> bool:
        """Put in which runs have begun or ended, or are expected to end at another time."""
        pool, known = read.pool, read.known
        if read.version == pool.version:
            return True
        read.version = pool.version
        for name in [name for name in known if name not in pool.open]:
            ended = known.pop(name)
            if ended.keeps is not None:
                return False
            self._more(ended, self.now, ended.until)
        for run in pool.open.values():
            before = known.get(run.id)
            if run.keeps is not None or (before is not None and before.nodes is not run.nodes):
                return False
            if before is None:
                known[run.id] = _Known(self._held(pool, run), run.until, run.nodes, None)
                self._less(known[run.id], self.now, run.until)
            elif before.until != run.until:
                self._put_off(before, run.until)
        return True

    def _put_off(self, known: _Known, until: Instant | None) -> None:
        before, known.until = known.until, until
        if before is not None and (until is None or until > before):
            self._less(known, before, until)
        elif until is not None:
            self._more(known, until, before)

    def _more(self, known: _Known, begin: Instant, end: Instant | None) -> None:
        begin, until = max(begin, self.now), FOREVER if end is None else end
        for course, held in known.held if begin < until else ():
            course.change(held, begin, until, times=1)
            self.gain(course, begin, until)

    def _less(self, known: _Known, begin: Instant, end: Instant | None) -> None:
        begin, until = max(begin, self.now), FOREVER if end is None else end
        for course, held in known.held if begin < until else ():
            course.change(held, begin, until, times=-1)
            self.lost[course.node] = None
