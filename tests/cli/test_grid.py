"""Tables and units as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from suan.cli import format as form
from suan.cli.grid import clip, fields, grid, plain_lines, width
from suan.model.bill import Bill
from suan.model.views import AmountView

WIDE = [("abc", 3), ("统一", 4), ("a算b", 4), ("e\u0301", 1), ("ＡＢ", 4), ("\x1b[32mok\x1b[0m", 2)]


@pytest.mark.parametrize(("text", "columns"), WIDE)
def test_width_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert width(text) == columns


def test_columns_are_aligned_whatever_the_script() -> None:
    lines = grid(("NAME", "N"), [("京津冀枢纽", "1"), ("x", "20")], right=("N",)).splitlines()
    assert lines == ["NAME         N", "京津冀枢纽   1", "x           20"]
    assert len({width(line) for line in lines}) == 1


def test_nothing_in_a_cell_can_steer_the_terminal_or_break_the_line() -> None:
    drawn = grid(("A",), [("evil\x1b]0;title\x07",), ("two\nlines",)])
    assert "\x07" not in drawn
    assert "\x1b" not in drawn
    assert len(drawn.splitlines()) == 3


def test_clip_counts_columns() -> None:
    assert clip("统一算力", 5) == "统一…"
    assert width(clip("统一算力", 4)) <= 4
    assert clip("short", 5) == "short"


def test_fields_leave_out_what_is_empty() -> None:
    assert fields([("a", "1"), ("long", ""), ("bcd", "2")]) == "a    1\nbcd  2"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.0 s"),
        (0.0004, "1 ms"),
        (0.25, "250 ms"),
        (2.13, "2.1 s"),
        (59.9, "60 s"),
        (200, "3m20s"),
        (7500, "2h05m"),
        (356400, "4d3h"),
        (-2.0, "-2.0 s"),
    ],
)
def test_seconds(amount: float, text: str) -> None:
    assert form.seconds(amount) == text


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "¥0"),
        (3, "<¥0.0001"),
        (123_400, "¥0.1234"),
        (1_500_000, "¥1.50"),
        (-2_000_000, "-¥2.00"),
        (1_234_567_000_000, "¥1,234,567.00"),
    ],
)
def test_money(micro: int, text: str) -> None:
    assert form.money(micro, "CNY") == text


def test_money_of_a_currency_without_a_sign_names_it() -> None:
    assert form.money(2_000_000, "SEK") == "SEK 2.00"


@pytest.mark.parametrize(
    ("mwh", "text"),
    [(0, "0 mWh"), (20, "20 mWh"), (1_500, "1.5 Wh"), (2_000_000, "2 kWh"), (7 * 10**9, "7 MWh")],
)
def test_energy(mwh: int, text: str) -> None:
    assert form.energy(mwh) == text


def test_carbon_says_what_it_counts() -> None:
    assert form.carbon(10) == "10 mg CO2e"
    assert form.carbon(2_500_000) == "2.5 kg CO2e"


def test_ages_are_one_unit() -> None:
    now = datetime.now(UTC)
    ages = {s: form.age(now - timedelta(seconds=s), now) for s in (5, 119, 600, 10_000, 400_000)}
    assert ages == {5: "5s", 119: "119s", 600: "10m", 10_000: "2h", 400_000: "4d"}
    assert form.age(None) == "-"
    assert form.age(now + timedelta(hours=1), now) == "0s"  # a clock that jumped back


def test_amounts_name_every_accelerator() -> None:
    view = AmountView(cpu_milli=1500, memory_mib=2048, accelerators={"H100": 8000, "910B": 500})
    assert form.amount(view) == "1.5 cpu, 2 GiB, 910B:0.5, H100:8"


def test_a_bill_is_one_line_and_says_how_energy_is_known() -> None:
    line = form.bill(Bill(cpu_ms=2100, money=1200, energy_mwh=20, carbon_mg=10, energy_method="x"))
    assert line == "2.1 s × cpu · ¥0.0012 · 20 mWh · 10 mg CO2e (x)"


def test_what_others_wrote_cannot_steer_the_terminal() -> None:
    assert fields([("labels", "a=\x1b]0;x\x07\nb")]) == "labels  a= ]0;x  b"
    assert plain_lines("echo\ta\n\x1b[2Jrm") == "echo    a\n [2Jrm"


NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("earliest", "latest", "told"),
    [
        (12, 57, "(in 12–57 min)"),
        (12, 12, "(in 12 min)"),
        (0, 2880, "(in 0–2 d)"),
        (-5, 1, "(in 0–60 s)"),
        (30, None, "at the earliest (in 30 min)"),
        (None, 180, "at the latest (in 3 h)"),
    ],
)
def test_a_span_of_time_to_come(earliest: int | None, latest: int | None, told: str) -> None:
    ends = [None if end is None else NOON + timedelta(minutes=end) for end in (earliest, latest)]
    said = form.window(ends[0], ends[1], NOON)
    assert said.endswith(told)
    clock = ends[0] or ends[1]
    assert clock is not None
    assert f"{max(clock, NOON).astimezone():%H:%M}" in said
