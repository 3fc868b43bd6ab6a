"""What ``suan pool`` shows of pools."""

from suan.cli.commands.pool import described, pools_table
from suan.model.views import AmountView, NodeView, PoolView

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
