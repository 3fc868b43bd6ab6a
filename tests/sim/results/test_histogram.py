"""A distribution: exact sums, and quantiles within the error it states."""

import math

from hypothesis import given
from hypothesis import strategies as st

from suan.sim.results import Distribution
from suan.sim.results.histogram import BITS, EMPTY, bounds, cells, coarsened, distribution

values = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 10**16)), min_size=1, max_size=80)
shares = st.floats(0.001, 1.0)


def counted(durations: list[int], coarse: int = 0) -> Distribution:
    counts: dict[int, int] = {}
    for cell in cells(durations):
        together = coarsened(cell, coarse)
        counts[together] = counts.get(together, 0) + 1
    return distribution(counts, total=sum(durations), maximum=max(durations), coarse=coarse)


@given(st.integers(0, 10**18))
def test_a_value_lies_in_its_cell(value: int) -> None:
    least, greatest = bounds(cells([value])[0])
    assert least <= value <= greatest


@given(st.integers(0, 5000))
def test_cells_stand_side_by_side(cell: int) -> None:
    least, greatest = bounds(cell)
    assert cells([least, greatest, greatest + 1]) == [cell, cell, cell + 1]


@given(values, shares, st.integers(0, BITS))
def test_a_quantile_is_off_by_no_more_than_it_says(
    durations: list[int], share: float, coarse: int
) -> None:
    found = counted(durations, coarse)
    true = sorted(durations)[max(1, math.ceil(share * len(durations))) - 1]
    assert abs(found.quantile(share) - true) <= found.error * true + 2**coarse


@given(values, st.integers(0, 10**16))
def test_a_share_at_most_is_between_those_of_the_cells_around(
    durations: list[int], value: int
) -> None:
    found = counted(durations)
    least, greatest = bounds(cells([value])[0])
    below = sum(each < least for each in durations) / len(durations)
    upto = sum(each <= greatest for each in durations) / len(durations)
    assert below <= found.at_most(value) <= upto


@given(values, values, st.integers(0, BITS), st.integers(0, BITS))
def test_two_together_are_as_if_counted_together(
    some: list[int], more: list[int], coarse: int, coarser: int
) -> None:
    together = counted(some, coarse).plus(counted(more, coarser))
    assert together == counted(some + more, max(coarse, coarser))


def test_nothing_has_a_mean_and_quantiles_of_nothing() -> None:
    assert (EMPTY.mean, EMPTY.quantile(0.5), EMPTY.at_most(7)) == (0.0, 0, 0.0)
