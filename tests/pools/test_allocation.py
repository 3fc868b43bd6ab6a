"""Devices: disjoint for whole ones, packed for fractions, told by each vendor's variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.resources import Resources
from suan.model.units import NodeName
from suan.pools.local.allocation import Allocation, Device, Share, numbered
from suan.pools.local.environment import inherited, visible_devices

NODE = NodeName("n1")
EIGHT = Resources(accelerators=(("A100-80GB", 8000),))


def asks(amount: int, model: str = "A100-80GB") -> Resources:
    return Resources(accelerators=((model, amount),))


def an_allocation(total: Resources = EIGHT) -> Allocation:
    return Allocation({NODE: numbered(total)})


def indices(shares: tuple[Share, ...]) -> list[int]:
    return [share.index for share in shares]


def test_runs_on_a_node_get_disjoint_devices() -> None:
    allocation = an_allocation()
    (first,) = allocation.take("a", [NODE], asks(2000))
    second, third = allocation.take("b", [NODE, NODE], asks(3000))
    assert sorted(indices(first) + indices(second) + indices(third)) == list(range(8))


def test_fractions_share_one_device_and_leave_the_others_whole() -> None:
    allocation = an_allocation()
    halves = [allocation.take(f"h{n}", [NODE], asks(500))[0] for n in range(2)]
    assert [indices(half) for half in halves] == [[0], [0]]
    (rest,) = allocation.take("r", [NODE], asks(7000))
    assert indices(rest) == [1, 2, 3, 4, 5, 6, 7]


def test_all_or_nothing_and_what_ended_gives_back() -> None:
    allocation = an_allocation()
    allocation.take("a", [NODE], asks(6000))
    with pytest.raises(PoolUnavailable, match="no free A100-80GB"):
        allocation.take("b", [NODE, NODE], asks(2000))
    allocation.take("c", [NODE], asks(2000))
    allocation.give_back("a")
    allocation.give_back("a")
    allocation.take("b", [NODE, NODE], asks(3000))


def test_what_the_node_lacks_is_refused_for_good() -> None:
    with pytest.raises(PoolRejected, match="no H100"):
        an_allocation().take("a", [NODE], asks(1000, "H100"))


def test_any_model_takes_one_that_has_room() -> None:
    total = Resources(accelerators=(("A100-80GB", 1000), ("H100", 4000)))
    (shares,) = an_allocation(total).take("a", [NODE], asks(2000, "*"))
    assert {share.model for share in shares} == {"H100"}


def test_devices_of_one_vendor_are_numbered_through() -> None:
    total = Resources(
        accelerators=(("A100-80GB", 2000), ("Ascend910B4", 1000), ("H100", 1500)),
    )
    assert numbered(total) == (
        Device("A100-80GB", 0),
        Device("A100-80GB", 1),
        Device("Ascend910B4", 0),
        Device("H100", 2),
        Device("H100", 3, 500),
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40)), max_size=40))
def test_no_device_is_ever_given_twice(requests: list[tuple[int, int]]) -> None:
    allocation = an_allocation()
    held: dict[str, tuple[Share, ...]] = {}
    for run, hundreds in requests:
        name = str(run)
        allocation.give_back(name)
        held.pop(name, None)
        try:
            (held[name],) = allocation.take(name, [NODE], asks(100 * hundreds))
        except PoolUnavailable:
            pass
        used: dict[int, int] = {}
        for shares in held.values():
            for share in shares:
                used[share.index] = used.get(share.index, 0) + share.amount
        assert max(used.values(), default=0) <= 1000


def test_each_vendor_has_its_own_variables() -> None:
    devices = numbered(Resources(accelerators=(("Ascend910B4", 4000), ("H100", 2000))))
    shares = (Share("H100", 1, 1000),)
    assert visible_devices(shares, devices) == {
        "CUDA_VISIBLE_DEVICES": "1",
        "NVIDIA_VISIBLE_DEVICES": "1",
        "ASCEND_RT_VISIBLE_DEVICES": "",
    }
    assert visible_devices((), ()) == {}


def test_the_servers_own_variables_stay_with_it() -> None:
    given = {"HOME": "/h", "SUAN_TOKEN": "x", "SLURM_JOB_ID": "1", "MASTER_PORT": "1", "PATH": "p"}
    assert inherited(given) == {"HOME": "/h", "PATH": "p"}
