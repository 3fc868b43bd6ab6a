"""Simulated pools: the file a server reads, and the lists that traces come with."""

from pathlib import Path

import pytest

from suan.model.errors import InputError
from suan.model.resources import Resources
from suan.model.units import HOUR
from suan.pools.declared import load_pools
from suan.sim.pools import load, load_all
from tests.sim.world import written

YAML = """\
pools:
  - name: gansu
    site: qingyang
    nodes: [{count: 2, cpus: 64, memory: 512GB, accelerators: {A100: 8}}]
    prices: {cpu_hour: 0.05}
  - name: small
    nodes: [{cpus: 4, memory: 8GB}]
"""


def test_the_file_of_a_live_server(tmp_path: Path) -> None:
    gansu, small = load(written(tmp_path, "pools.yaml", YAML))
    assert gansu.offer.terms.site == "qingyang"
    assert gansu.offer.terms.cpu_hour == 50_000
    assert gansu.total == Resources(128_000, 1024 * 1024, (("A100-80GB", 16_000),))
    assert [each.name for each in small.nodes] == ["small-1"]


RESERVED = """\
reservations:
  - {name: disks, pool: gansu, nodes: gansu-1, begin: 12h, for: 4h}
  - {name: course, pool: small, for: 1d, tenants: [lab], users: [ann]}
"""


def test_what_is_reserved_from_the_beginning(tmp_path: Path) -> None:
    pools, reserved = load_all(written(tmp_path, "pools.yaml", YAML + RESERVED))
    disks, course = (event.reservation for event in reserved)
    assert len(pools) == 2
    assert (disks.nodes, disks.begin, disks.end) == (("gansu-1",), 12 * HOUR, 16 * HOUR)
    assert disks.maintenance
    assert (course.nodes, course.begin, course.end) == (("small-1",), 0, 24 * HOUR)
    assert (course.tenants, course.users) == (("lab",), ("ann",))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{name: r, pool: none, for: 1h}", "a pool that is declared in this file"),
        ("{pool: small, for: 1h}", "needs a name"),
        ("{name: r, pool: small}", "takes no time"),
        ("{name: r, pool: small, for: 1}", "has no unit"),
        ("{name: r, pool: small, for: 1h, nodes: [small-2]}", "has no node 'small-2'"),
        ("{name: r, pool: small, for: 1h, until: 2h}", "has no field 'until'"),
        ("{name: r, pool: small, begin: 1h, for: 1h}", "meets 'course'"),
    ],
)
def test_what_cannot_be_reserved_is_refused_with_its_line(
    tmp_path: Path, line: str, word: str
) -> None:
    text = f"{YAML}{RESERVED}  - {line}\n"
    with pytest.raises(InputError, match=word) as caught:
        load_all(written(tmp_path, "pools.yaml", text))
    assert caught.value.where == f"{tmp_path}/pools.yaml:{len(text.splitlines())}"


def test_a_server_takes_no_file_with_reservations(tmp_path: Path) -> None:
    path = written(tmp_path, "pools.yaml", YAML + RESERVED)
    with pytest.raises(InputError, match="for simulations"):
        load_pools(path, home=tmp_path)


def test_virtual_clusters_of_nodes_of_eight(tmp_path: Path) -> None:
    for header in ("vc,nodes", "vc,node num"):
        pools = load(written(tmp_path, "nodes.csv", f"{header}\n6214e9,12\nb,1\n"))
        assert [(each.offer.pool, len(each.nodes)) for each in pools] == [("6214e9", 12), ("b", 1)]
        assert pools[0].total.accelerators_total == 96_000
        assert [each.name for each in pools[0].nodes] == sorted(e.name for e in pools[0].nodes)


def test_openb_nodes(tmp_path: Path) -> None:
    text = "sn,cpu_milli,memory_mib,gpu,model\nn0,32000,262144,0,\nn1,96000,393216,8,G2\n"
    [pool] = load(written(tmp_path, "nodes.csv", text))
    assert pool.total == Resources(128_000, 655_360, (("G2", 8000),))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("pools: [{name: here}]", "declares no nodes"),
        ("pools: []", "declares no pools"),
        ("pools: [{name: a, nodes: []}]", "lists no nodes"),
        ("vc,nodes\na,0\n", "has no nodes"),
        ("vc,nodes\na,1\na,2\n", "stands here twice"),
        ("vc,nodes\na,many\n", "not a whole number"),
        ("vc,nodes\na\n", "1 fields where the header has 2"),
        ("sn,cpu_milli,memory_mib,gpu,model\n", "empty"),
        ("sn,cpu_milli,memory_mib,gpu,model\nn,1,1,2,\n", "accelerators of no model"),
        ("sn,cpu_milli,memory_mib,gpu,model\nn,-1,1,0,\n", "not a whole number"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_simulated_is_refused(tmp_path: Path, text: str, word: str) -> None:
    path = written(tmp_path, "pools", text)
    with pytest.raises(InputError) as caught:
        load(path)
    assert word in caught.value.message
    assert str(path) in caught.value.where
    assert caught.value.mend


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "absent.yaml")
