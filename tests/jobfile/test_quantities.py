"""Amounts: tables of what is read and refused, and round trips."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.jobfile import quantities as q
from suan.model.units import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90 * SECOND),
        ("1h30m", HOUR + 30 * MINUTE),
        ("1h 30m", HOUR + 30 * MINUTE),
        ("1.5h", HOUR + 30 * MINUTE),
        ("2d", 2 * DAY),
        ("1w", 7 * DAY),
        ("250ms", 250_000),
        ("10min", 10 * MINUTE),
        ("00:10:00", 10 * MINUTE),
        ("10:00", 10 * MINUTE),
        ("1-02:00:00", DAY + 2 * HOUR),
        ("1-2", DAY + 2 * HOUR),
        ("36:00:00", 36 * HOUR),
        ("0s", 0),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert q.parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("90", "has no unit"),
        ("", "not a duration"),
        ("soon", "not a duration"),
        ("1y", "unknown unit 'y'"),
        ("-5m", "not a duration"),
        ("1h-", "not a duration"),
        ("١٠m", "not a duration"),
        ("9" * 30 + "s", "too long"),
        ("999999999999999999d", "too large"),
    ],
)
def test_what_is_no_duration(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        q.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", 10 * MINUTE),
        ("10:30", 10 * MINUTE + 30 * SECOND),
        ("1:00:00", HOUR),
        ("2-0", 2 * DAY),
        ("2-1:30", 2 * DAY + HOUR + 30 * MINUTE),
        ("2-1:30:15", 2 * DAY + HOUR + 30 * MINUTE + 15 * SECOND),
    ],
)
def test_slurm_times(text: str, expected: int) -> None:
    assert q.parse_slurm_time(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16", 16384),
        ("16+", 16384),
        ("16GB", 16384),
        ("16gib", 16384),
        ("16 G", 16384),
        ("512MiB", 512),
        ("512MB+", 512),
        ("1.5", 1536),
        ("1T", 1 << 20),
        ("1K", 1),
        ("1025K", 2),
        ("0.0001M", 1),
    ],
)
def test_memory(text: str, expected: int) -> None:
    assert q.parse_memory(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "-1", "16GBit", "1e3", "9999999999T", "4x"])
def test_what_is_no_memory(text: str) -> None:
    with pytest.raises(ValueError):
        q.parse_memory(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A100", ("A100", 1000)),
        ("A100:2", ("A100", 2000)),
        ("A100:0.25", ("A100", 250)),
        ("A100-80GB:8", ("A100-80GB", 8000)),
        ("2", ("*", 2000)),
        ("gpu", ("*", 1000)),
        ("GPU:4", ("*", 4000)),
        ("*:0.5", ("*", 500)),
        ("Ascend910B3 : 8", ("Ascend910B3", 8000)),
    ],
)
def test_accelerators(text: str, expected: tuple[str, int]) -> None:
    assert q.parse_accelerator(text) == expected


@pytest.mark.parametrize("text", ["", "A100:", "A100:0", "A100:x", ":2", "A100:0.0001", "A 1", "0"])
def test_what_is_no_accelerator(text: str) -> None:
    with pytest.raises(ValueError):
        q.parse_accelerator(text)


@pytest.mark.parametrize(("text", "expected"), [("4", 4000), ("4+", 4000), ("0.5", 500)])
def test_processors(text: str, expected: int) -> None:
    assert q.parse_cpus(text) == expected


@pytest.mark.parametrize("text", ["four", "-1", "4++", "0.00001", "", "1e2", "NaN"])
def test_what_is_no_number_of_processors(text: str) -> None:
    with pytest.raises(ValueError):
        q.parse_cpus(text)


def test_money() -> None:
    assert q.parse_money("12.50") == 12_500_000
    for text in ("¥12", "12 CNY", "-1", "", "1e9", "9" * 17):
        with pytest.raises(ValueError):
            q.parse_money(text)


def test_instants() -> None:
    assert q.parse_instant("2026-12-01T08:00+08:00", now=None) == 1_796_083_200 * SECOND
    assert q.parse_instant("2026-12-01T00:00:00Z", now=None) == 1_796_083_200 * SECOND
    assert q.parse_instant("+6h", now=5) == 6 * HOUR + 5


@pytest.mark.parametrize(
    ("text", "now", "says"),
    [
        ("2026-12-01T08:00", None, "no time zone"),
        ("tomorrow", None, "not a time"),
        ("+6h", None, "needs a clock"),
        ("+6", 0, "no unit"),
        ("+9999999d", 0, "beyond the year 9999"),
    ],
)
def test_what_is_no_instant(text: str, now: int | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        q.parse_instant(text, now=now)


@given(st.integers(0, 10**16))
def test_a_written_duration_reads_back(duration: int) -> None:
    assert q.parse_duration(q.format_duration(duration)) == duration


@given(st.integers(0, 1 << 40))
def test_written_memory_reads_back(mib: int) -> None:
    assert q.parse_memory(q.format_memory(mib)) == mib


@given(st.integers(0, 10**9))
def test_written_thousandths_read_back(amount: int) -> None:
    assert q.parse_cpus(q.format_thousandths(amount)) == amount


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,20}", fullmatch=True), st.integers(1, 10**6))
def test_a_written_accelerator_reads_back(model: str, amount: int) -> None:
    read, count = q.parse_accelerator(q.format_accelerator(model, amount))
    assert count == amount
    assert read == (model if model.lower() not in ("gpu", "any") else "*")


@given(st.integers(0, 253_402_300_799_999_999))
def test_a_written_instant_reads_back(instant: int) -> None:
    assert q.parse_instant(q.format_instant(instant), now=None) == instant


@given(st.text())
def test_no_text_breaks_a_parser(text: str) -> None:
    for parse in (
        q.parse_duration,
        q.parse_slurm_time,
        q.parse_memory,
        q.parse_cpus,
        q.parse_accelerator,
        q.parse_money,
        lambda t: q.parse_instant(t, now=0),
    ):
        with contextlib.suppress(ValueError):
            parse(text)
