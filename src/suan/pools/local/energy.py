"""What a run's energy counters say, where the machine has any.

Processors: the package zones of RAPL (never the zones inside them, which overlap), times the run's
share of all processor time that the machine spent meanwhile. Accelerators: NVML's total energy
(millijoules) of the devices that were the run's alone. Without counters the answer is ``None`` and
the bill falls back to a model.
"""

# Plain paths, not pathlib: a runner must start in a millisecond and stay small.
# ruff: noqa: PTH123, PTH208

import ctypes
import os

_POWERCAP = os.environ.get("SUAN_POWERCAP", "/sys/class/powercap")
_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
_MICROJOULES_PER_MWH = 3_600_000
_MILLIJOULES_PER_MWH = 3_600


class Meter:
    """Counters from the start of a run to its end."""

    def __init__(self, devices: list[int]) -> None:
        self._devices = devices
        self._zones = _package_zones()
        self.sample_every_s = 60.0 if self._zones else 3600.0
        self._last = {zone: _number(zone, "energy_uj") for zone in self._zones}
        self._spent_uj = 0
        self._machine_us = _machine_cpu_us() if self._zones else 0
        self._device_mj = _nvml_energy_mj(devices)

    def sample(self) -> None:
        """Add up the counters, often enough that none wraps twice unseen."""
        for zone, before in self._last.items():
            after = _number(zone, "energy_uj")
            if before is None or after is None:
                continue
            wrap = 0 if after >= before else (_number(zone, "max_energy_range_uj") or 0)
            self._spent_uj += after - before + wrap
            self._last[zone] = after

    def read(self, cpu_us: int) -> tuple[int | None, str]:
        """Milliwatt-hours since the start, and how they were found; ``None`` without a counter."""
        found: dict[str, int] = {}
        if self._zones and None not in self._last.values():
            self.sample()
            machine_us = max(1, _machine_cpu_us() - self._machine_us, cpu_us)
            found["rapl"] = self._spent_uj * cpu_us // machine_us // _MICROJOULES_PER_MWH
        if self._device_mj is not None:
            now = _nvml_energy_mj(self._devices)
            if now is not None:
                found["nvml"] = (now - self._device_mj) // _MILLIJOULES_PER_MWH
        if not found:
            return None, ""
        return sum(found.values()), "counter:" + "+".join(found)


def _package_zones() -> list[str]:
    """Readable RAPL package zones: ``intel-rapl:0``, not ``intel-rapl:0:0``."""
    try:
        names = sorted(os.listdir(_POWERCAP))
    except OSError:
        return []
    zones = [f"{_POWERCAP}/{name}" for name in names if name.count(":") == 1]
    return [zone for zone in zones if _is_package(zone) and _number(zone, "energy_uj") is not None]


def _is_package(zone: str) -> bool:
    try:
        with open(f"{zone}/name", encoding="ascii") as file:
            return file.read().startswith("package")
    except OSError:
        return False


def _number(zone: str, name: str) -> int | None:
    try:
        with open(f"{zone}/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _machine_cpu_us() -> int:
    """Processor time that anything on this machine has used since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    busy = fields[0] + fields[1] + fields[2] + sum(fields[5:8])
    return busy * _TICK_US


def _nvml_energy_mj(devices: list[int]) -> int | None:
    if not devices:
        return None
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        total = 0
        for index in devices:
            handle, energy = ctypes.c_void_p(), ctypes.c_ulonglong()
            if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) != 0:
                return None
            if nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy)) != 0:
                return None
            total += energy.value
        return total
    finally:
        nvml.nvmlShutdown()
