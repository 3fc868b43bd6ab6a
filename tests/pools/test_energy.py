"""Energy counters, on a tree shaped like /sys/class/powercap: this machine may have none."""

from pathlib import Path

import pytest

from suan.pools.local import energy


def zone(root: Path, name: str, called: str, energy_uj: int) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(called + "\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    return folder


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "_POWERCAP", str(tmp_path))
    return tmp_path


def test_packages_alone_count_and_wraps_are_seen(
    powercap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = zone(powercap, "intel-rapl:0", "package-0", 999_000_000)
    second = zone(powercap, "intel-rapl:1", "package-1", 0)
    inside = zone(powercap, "intel-rapl:0:0", "core", 5)
    other = zone(powercap, "intel-rapl:2", "psys", 5)
    spent = iter([0, 10_000_000])
    monkeypatch.setattr(energy, "_machine_cpu_us", lambda: next(spent))
    meter = energy.Meter([])
    (first / "energy_uj").write_text("1000000")  # wrapped: 2 J
    (second / "energy_uj").write_text("34000000")  # 34 J
    for ignored in (inside, other):
        (ignored / "energy_uj").write_text("999999999")
    # 36 J are 10 mWh, and the run used half of the processor time
    assert meter.read(5_000_000) == (5, "counter:rapl")


def test_without_a_counter_nothing_is_claimed(powercap: Path) -> None:
    assert energy.Meter([]).read(1_000_000) == (None, "")
    assert energy.Meter([0]).read(1_000_000)[0] is None or Path("/dev/nvidia0").exists()
    assert list(powercap.iterdir()) == []
