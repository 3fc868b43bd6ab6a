"""Policies side by side as text."""

import pytest

from suan.sim.report import table
from suan.sim.report.wording import change, clip, columns, duration, left, right
from suan.sim.results import Recorder, Result
from tests.sim.report.generated import simulate
from tests.sim.results.drawing import ended

SECOND = 1_000_000


def waits(policy: str, **by_tenant: int) -> Result:
    """A result in which each tenant has one job that waited so many seconds."""
    recorder = Recorder(policy)
    for tenant, waited in by_tenant.items():
        recorder.ended(ended(waited=waited * SECOND, served=60 * SECOND, tenant=tenant))
    return recorder.result()


def line(text: str, label: str) -> list[str]:
    return next(each for each in text.splitlines() if each.strip().startswith(label)).split()


def test_every_policy_stands_beside_the_first() -> None:
    text = table([waits("fifo", a=300, b=100), waits("sjf", a=50, b=10)])
    assert text.splitlines()[0].split() == ["fifo", "sjf"]
    assert line(text, "mean,") == ["mean,", "in", "seconds", "200.00", "30.00", "×0.15"]
    assert line(text, "longest") == ["longest", "5m00s", "50.0", "s", "×0.17"]


def test_who_gains_and_who_loses_is_said() -> None:
    text = table([waits("fifo", a=300, b=100, c=50), waits("sjf", a=30, b=150, c=50)])
    assert (
        "sjf: 1 of 3 tenants wait less than under fifo (most: a ×0.10), 1 longer (most: b ×1.50)"
        in text
    )
    assert line(text, "b ") == ["b", "1m40s", "2m30s", "×1.50"]


def test_a_tenant_with_no_job_under_a_policy_has_a_dash() -> None:
    text = table([waits("fifo", a=300, b=100), waits("sjf", a=30)])
    assert line(text, "b ") == ["b", "1m40s", "-"]


def test_it_fits_a_hundred_columns_whatever_the_names() -> None:
    long = simulate("sjf × size", many=300, nodes=4, tenants=40)
    named = [waits(f"策略{'很' * 40}长{at}", **{"租户" * 30: 5, "b" * 90: 7}) for at in range(7)]
    for text in (table(named), table([long] * 9)):
        assert max(map(columns, text.splitlines())) <= 100
    assert "others" in table([long])


def test_long_figures_stand_apart() -> None:
    text = table([waits("fifo", a=159_516), waits("las", a=9_106_850), waits("x", a=9_106_850)])
    figures = ["159,516.00", "9,106,850.00", "×57", "9,106,850.00", "×57"]
    assert line(text, "mean,")[3:] == figures


def test_nothing_and_one_policy_are_tables_too() -> None:
    assert table([]) == "nothing was simulated\n"
    assert "×" not in table([waits("fifo", a=1)])


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (0, "0"),
        (12_000, "12 ms"),
        (2_100_000, "2.1 s"),
        (59_940_000, "59.9 s"),
        (59_990_000, "1m00s"),
        (200 * SECOND, "3m20s"),
        (3599.6 * SECOND, "1h00m"),
        (7500 * SECOND, "2h05m"),
        (86_399 * SECOND, "1d00h"),
        (99 * 3600 * SECOND, "4d03h"),
        (412 * 86_400 * SECOND, "412d"),
    ],
)
def test_durations_in_words(us: float, words: str) -> None:
    assert duration(us) == words


@pytest.mark.parametrize(
    ("value", "reference", "words"),
    [
        (31, 100, "×0.31"),
        (100, 100, "="),
        (100.2, 100, "="),
        (1234, 10, "×123"),
        (0, 100, "×0.00"),
        (0, 0, "="),
        (5, 0, "new"),
        (0.0004, 1, "×0.0004"),
        (150, 100, "×1.50"),
    ],
)
def test_changes_in_words(value: float, reference: float, words: str) -> None:
    assert change(value, reference) == words


def test_wide_letters_take_two_columns() -> None:
    assert columns("算力") == 4
    assert clip("算力调度", 5) == "算力…"
    assert left("算", 4) == "算  "
    assert right("算", 4) == "  算"
    assert clip("a\nb", 9) == "a b"
