"""What an offer comes to: sizes and not hosts, never more than there is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.model.job import Run, RunState
from suan.model.offer import NodeStatus
from suan.model.peer import ForwardedRun, PeerOffer
from suan.model.resources import Resources
from suan.model.units import HOUR, JobId, NodeName, PoolName, RunId
from suan.peering.protocol import HOP_LIMIT, version_refused, way_refused
from suan.peering.summary import Held, closed, offered_nodes

LAB = PoolName("lab")
BIG = Resources(64_000, 65_536, (("H100", 8000),))
SMALL = Resources(16_000, 32_768)
NOTHING = Held((), ())


def offer(**more: object) -> PeerOffer:
    return PeerOffer("gansu", LAB, **more)  # type: ignore[arg-type]


def nodes(*sizes: Resources) -> tuple[NodeStatus, ...]:
    return tuple(NodeStatus(NodeName(f"host{n}"), size) for n, size in enumerate(sizes))


def run(job: str, where: str, what: Resources) -> Run:
    return Run(
        RunId(f"{job}-r1"), JobId(job), 1, LAB, (NodeName(where),), what, RunState.STARTED, 0
    )


def forwarded(job: str, where: tuple[str, ...], what: Resources) -> ForwardedRun:
    names = tuple(map(NodeName, where))
    return ForwardedRun("gansu", RunId(f"theirs-{job}-r1"), LAB, 0, JobId(job), names, what)


def free(node: NodeStatus) -> Resources:
    return node.total.plus(node.others_use, times=-1)


def offers(
    made: PeerOffer, of: tuple[NodeStatus, ...], held: Held = NOTHING
) -> dict[str, Resources]:
    found = offered_nodes(made, of, held, is_open=True)
    return {node.name: free(node) for node in found}


def test_each_size_has_its_numbered_nodes() -> None:
    assert offers(offer(), nodes(SMALL, BIG, BIG)) == {
        "16c-32g-1": SMALL, "8xh100-64c-64g-1": BIG, "8xh100-64c-64g-2": BIG,
    }  # fmt: skip


def test_a_ceiling_makes_whole_nodes_and_one_part() -> None:
    made = offer(ceiling=(("H100", 12_000), ("cpu", 96_000)))
    assert offers(made, nodes(BIG, BIG, BIG, SMALL)) == {
        "8xh100-64c-64g-1": BIG,
        "8xh100-64c-64g-2": Resources(32_000, 65_536, (("H100", 4000),)),
    }


def test_a_share_is_of_what_others_leave() -> None:
    half = offer(share_milli=500)
    held = Held((run("own", "host0", BIG),), ())
    found = offers(half, nodes(BIG, BIG, BIG), held)
    assert sum(each.accelerators_total for each in found.values()) == 8000
    assert sorted(each.accelerators_total for each in found.values()) == [0, 0, 8000]


def test_a_peers_own_runs_are_left_to_it_to_count() -> None:
    """Placed on the first offered node, run on the second real one."""
    theirs = forwarded("j", ("8xh100-64c-64g-1",), BIG)
    held = Held((run("j", "host1", BIG), run("own", "host0", BIG)), (theirs,))
    found = offered_nodes(offer(), nodes(BIG, BIG, BIG), held, is_open=True)
    own = {"8xh100-64c-64g-1": BIG}
    left = {n.name: free(n).plus(own.get(n.name, Resources()), times=-1) for n in found}
    assert sorted(each.accelerators_total for each in left.values()) == [0, 0, 8000]
    assert left["8xh100-64c-64g-1"].accelerators_total == 0


def test_what_waits_is_set_aside() -> None:
    waiting = forwarded("j", ("8xh100-64c-64g-1",), BIG)
    held = Held((run("own", "host0", BIG),), (waiting,))
    found = offered_nodes(offer(), nodes(BIG, BIG), held, is_open=True)
    by_name = {node.name: free(node) for node in found}
    assert by_name["8xh100-64c-64g-1"] == BIG  # taken there, as the peer knows
    assert by_name["8xh100-64c-64g-2"].accelerators_total == 0


def test_nodes_that_take_nothing_have_nothing_to_offer() -> None:
    down = NodeStatus(NodeName("down"), BIG, schedulable=False)
    found = offers(offer(), (down, *nodes(BIG)))
    assert sorted(each.accelerators_total for each in found.values()) == [0, 8000]


@pytest.mark.parametrize(
    ("made", "now", "why"),
    [
        (offer(), 0, ""),
        (offer(begin=HOUR), 0, "not begun"),
        (offer(end=HOUR), HOUR, "over"),
        (offer(hours=((60, 120),)), 0, "01:00 to 02:00 UTC"),
        (offer(hours=((60, 120),)), HOUR, ""),
        (offer(hours=((60, 120),)), 2 * HOUR, "01:00"),
        (offer(hours=((1320, 360),)), 23 * HOUR, ""),
        (offer(hours=((1320, 360),)), 5 * HOUR, ""),
        (offer(hours=((1320, 360),)), 12 * HOUR, "22:00 to 06:00"),
    ],
)
def test_when_an_offer_is_open(made: PeerOffer, now: int, why: str) -> None:
    assert why in closed(made, now) if why else closed(made, now) == ""


def test_a_job_goes_round_no_circle_and_not_too_far() -> None:
    assert way_refused(("a", "b"), "c") == ""
    assert "a → b → a" in way_refused(("a", "b"), "a")
    assert way_refused(tuple("abc"), "d") == ""
    assert str(HOP_LIMIT) in way_refused(tuple("abcd"), "e")


def test_versions_say_who_must_upgrade() -> None:
    assert version_refused("1") == ""
    assert "upgrade suan where it asks" in version_refused("0")
    assert "upgrade suan where it answers" in version_refused("2")
    assert "says no version" in version_refused(None)


amounts = st.builds(
    lambda cpu, memory, gpu: Resources(cpu, memory, (("H100", gpu),) if gpu else ()),
    st.integers(0, 32_000), st.integers(0, 32_768), st.sampled_from([0, 1000, 4000]),
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> tuple[PeerOffer, tuple[NodeStatus, ...], Held]:
    found = nodes(*draw(st.lists(st.sampled_from([BIG, SMALL]), min_size=1, max_size=6)))
    hosts = [node.name for node in found]
    names = [node.name for node in offered_nodes(offer(), found, NOTHING, is_open=True)]
    runs, theirs = [], []
    for number in range(draw(st.integers(0, 5))):
        job, what = f"j{number}", draw(amounts)
        if draw(st.booleans()):
            runs.append(run(job, draw(st.sampled_from(hosts)), what))
        if draw(st.booleans()):
            theirs.append(forwarded(job, (draw(st.sampled_from(names)),), what))
    ceiling = draw(st.sampled_from([(), (("H100", 6000),), (("cpu", 50_000), ("memory", 60_000))]))
    made = offer(share_milli=draw(st.integers(1, 1000)), ceiling=ceiling)
    return made, found, Held(tuple(runs), tuple(theirs))


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_never_more_is_offered_than_there_is(
    world: tuple[PeerOffer, tuple[NodeStatus, ...], Held],
) -> None:
    made, found, held = world
    own: dict[str, Resources] = {}
    for each in held.forwarded:
        for name in each.nodes:
            own[name] = own.get(name, Resources()).plus(each.per_task)
    used: dict[str, Resources] = {}
    for each in held.runs:
        used[each.nodes[0]] = used.get(each.nodes[0], Resources()).plus(each.per_task)
    rooms = [node.total.plus(used.get(node.name, Resources()), times=-1) for node in found]
    left = [
        free(node).plus(own.get(node.name, Resources()), times=-1)
        for node in offered_nodes(made, found, held, is_open=True)
    ]
    assert matched([each for each in left if positive(each)], rooms)
    for kind, most in made.ceiling:
        taken = sum(amount(each, kind) for each in own.values())
        assert taken > most or taken + sum(max(0, amount(each, kind)) for each in left) <= most


def positive(each: Resources) -> bool:
    return min(each.cpu_milli, each.memory_mib, each.accelerators_total) >= 0


def amount(each: Resources, kind: str) -> int:
    named = {"cpu": each.cpu_milli, "memory": each.memory_mib}
    return named[kind] if kind in named else each.accelerator(kind)


def matched(wanted: list[Resources], rooms: list[Resources]) -> bool:
    """Whether each of ``wanted`` has a room of its own that holds it."""
    taken: dict[int, int] = {}

    def place(one: int, tried: set[int]) -> bool:
        for at, room in enumerate(rooms):
            if at in tried or not wanted[one].fits_in(clipped(room)):
                continue
            tried.add(at)
            if at not in taken or place(taken[at], tried):
                taken[at] = one
                return True
        return False

    return all(place(one, set()) for one in range(len(wanted)))


def clipped(room: Resources) -> Resources:
    models = tuple((model, max(0, n)) for model, n in room.accelerators)
    return Resources(max(0, room.cpu_milli), max(0, room.memory_mib), models)
