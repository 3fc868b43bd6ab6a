"""What ``suan pool`` shows of pools."""

from dataclasses import replace
from datetime import UTC, datetime

from suan.cli.commands.pool import described, pools_table
from suan.model.views import AmountView, DoubtView, NodeView, PoolView

SIZE = AmountView(64_000, 262_144, {})


def seen(*racks: str) -> PoolView:
    nodes = tuple(NodeView(f"n{at}", SIZE, True, rack) for at, rack in enumerate(racks))
    return PoolView(
        name="lab",
        kind="local",
        site="here",
        available=True,
        drained=False,
        nodes=len(nodes),
        total=SIZE,
        free=SIZE,
        runs=0,
        terms={},
        capabilities=(),
        frameworks=(),
        racks=len({rack for rack in racks if rack}),
        node_list=nodes,
    )


def test_racks_are_counted_and_each_nodes_is_told() -> None:
    pool = seen("spine1/leaf1", "spine1/leaf1", "")
    head, row = pools_table((pool,)).splitlines()
    assert head.split()[:6] == ["POOL", "KIND", "SITE", "STATE", "NODES", "RACKS"]
    assert row.split()[:6] == ["lab", "local", "here", "ready", "3", "1"]
    *_, first, _, last = described(pool).splitlines()
    assert (first.split()[-1], last.split()[-1]) == ("spine1/leaf1", "-")


def test_what_is_wrong_with_a_pool_is_told_with_since_when() -> None:
    since = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    said = DoubtView(since, "its clock is wrong: r1 ended 90 s from now")
    _, row = pools_table((replace(seen(), doubts=(said,)),)).splitlines()
    assert "doubted" in row
    assert "its clock is wrong: r1 ended 90 s from now, since " in row
    _, row = pools_table((replace(seen(), circuit="half_open"),)).splitlines()
    assert "on trial" in row
