"""Discovery: the real parsers on real-shaped output, said by fake tools on ``PATH``.

Recorded (from public issue trackers, shortened): nvidia-smi, npu-smi with one and with two chips,
rocm-smi. Made after vendors' documents and other projects' parsers, not recorded: cnmon, mx-smi,
mthreads-gmi, hy-smi, ixsmi, xpu-smi.
"""

import os
import stat
from pathlib import Path

import pytest

from suan.pools.local.allocation import Device
from suan.pools.local.discovery import machine, tools

NVIDIA_SMI = """\
0, NVIDIA H100 80GB HBM3, 81559
1, NVIDIA A100-PCIE-40GB, 40960
2, NVIDIA GeForce GTX 1660 Ti, 6144
"""
NPU_SMI = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.1                   Version: 24.1.1                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B4               | OK            | 88.2        30                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          26838/ 32768         |
+===========================+===============+====================================================+
| 1     910B4               | OK            | 87.0        30                0    / 0             |
| 0                         | 0000:C2:00.0  | 0           0    / 0          29356/ 32768         |
+===========================+===============+====================================================+
"""
NPU_SMI_TWO_CHIPS = """\
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     Ascend910           | OK            | 178.5       36                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3416 / 65536         |
+------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -           36                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          3195 / 65536         |
+===========================+===============+====================================================+
"""
ROCM_SMI = """\
======================= ROCm System Management Interface =======================
================================= Product Info =================================
GPU[0]          : Card series:          AMD Instinct MI300X
GPU[0]          : Card model:           0x74a1
GPU[0]          : Card vendor:          Advanced Micro Devices, Inc. [AMD/ATI]
GPU[1]          : Card series:          Fiji [Radeon R9 FURY / NANO Series]
GPU[1]          : Card model:           Radeon R9 FURY X
================================================================================
"""
CNMON = """\
+------------------------------------------------------------------------------+
| CNMON v5.10.6                                           Driver v5.10.6       |
+-------------------------------+----------------------+-----------------------+
| Card  VF  Name       Firmware |               Bus-Id | Util        Ecc-Error |
| Fan   Temp      Pwr:Usage/Cap |         Memory-Usage | SR-IOV   Compute-Mode |
|===============================+======================+=======================|
| 0     /   MLU370-X8    v1.1.4 |         0000:69:00.0 | 0%                  0 |
|  0%   31C         54 W/ 250 W |     0 MiB/ 42396 MiB | N/A           Default |
+-------------------------------+----------------------+-----------------------+
| 1     /   MLU370-X8    v1.1.4 |         0000:72:00.0 | 0%                  0 |
|  0%   33C         55 W/ 250 W |     0 MiB/ 42396 MiB | N/A           Default |
+-------------------------------+----------------------+-----------------------+
"""
MX_SMI = """\
+---------------------------------------------------------------------------------+
| MX-SMI 2.1.6                        Kernel Mode Driver Version: 2.4.6           |
|------------------------------------+---------------------+----------------------+
| GPU         NAME                   | Bus-id              | GPU-Util             |
| Temp        Power                  | Memory-Usage        |                      |
|====================================+=====================+======================|
| 0           MXC500                 | 0000:0f:00.0        | 0%                   |
| 36C         63W                    | 914/65536 MiB       |                      |
+------------------------------------+---------------------+----------------------+
"""
MTHREADS_GMI = """\
Thu Sep 18 10:00:00 2026
---------------------------------------------------------------
    mthreads-gmi:1.14.0          Driver Version:2.7.0
---------------------------------------------------------------
ID   Name           |PCIe                |%GPU  Mem
     Device Type    |Pcie Lane Width     |Temp  MPC Capable
+-------------------------------------------------------------+
0    MTT S4000      |00000000:3b:00.0    |0%    2MiB(49152MiB)
     Physical       |16x(16x)            |36C   YES
"""
HY_SMI = """\
============================ System Management Interface =============================
HCU[0]          : Card Series:           K100_AI
HCU[0]          : Card Vendor:           C-3000 IC Design Co., Ltd.
"""
IXSMI = "GPU 0: Iluvatar BI-V150 (UUID: GPU-3c1a4bb0-0000-0000-0000-000000000000)\n"
XPU_SMI = """{"device_list": [{"device_id": 0, "device_function_type": "physical",
 "device_name": "Intel(R) Data Center GPU Max 1550", "device_type": "GPU"}]}"""

FAKES = {
    "nvidia-smi": (NVIDIA_SMI, ["H100", "A100-40GB", "GTX-1660-TI"]),
    "npu-smi": (NPU_SMI, ["Ascend910B4", "Ascend910B4"]),
    "rocm-smi": (ROCM_SMI, ["MI300X", "FIJI-[RADEON-R9-FURY-/-NANO-SERIES]"]),
    "cnmon": (CNMON, ["MLU370-X8", "MLU370-X8"]),
    "mx-smi": (MX_SMI, ["MXC500"]),
    "mthreads-gmi": (MTHREADS_GMI, ["MTT-S4000"]),
    "hy-smi": (HY_SMI, ["K100_AI"]),
    "ixsmi": (IXSMI, ["BI-V150"]),
    "xpu-smi": (XPU_SMI, ["Max-1550"]),
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of ``PATH`` but the shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def fake(folder: Path, name: str, script: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def says(folder: Path, name: str, output: str) -> None:
    (folder / f"{name}.output").write_text(output)
    fake(folder, name, f"cat {folder}/{name}.output")


@pytest.mark.parametrize("name", FAKES)
def test_each_tools_output_is_understood(path: Path, name: str) -> None:
    output, models = FAKES[name]
    says(path, name, output)
    devices, notes = tools.discover()
    assert notes == ()
    assert devices == tuple(Device(model, index) for index, model in enumerate(models))


def test_two_chips_of_one_npu_are_two_devices(path: Path) -> None:
    says(path, "npu-smi", NPU_SMI_TWO_CHIPS)
    devices, _ = tools.discover()
    assert [device.index for device in devices] == [0, 1]
    assert len({device.model for device in devices}) == 1


def test_devices_of_several_vendors_stand_side_by_side(path: Path) -> None:
    says(path, "nvidia-smi", NVIDIA_SMI)
    says(path, "npu-smi", NPU_SMI)
    found = machine.discover()
    assert found.node.total.accelerator("Ascend910B4") == 2000
    assert found.node.total.accelerator("H100") == 1000
    assert len(found.devices) == 5


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no driver >&2; exit 9", "failed with code 9 (no driver)"),
        ("echo surprise", "not understood; it begins 'surprise'"),
        (r"printf '0, A\377100, 40960\n'", "not understood"),  # in which a device could be read
        ("exit 0", "not understood"),
    ],
)
def test_a_broken_tool_is_a_note(path: Path, script: str, said: str) -> None:
    fake(path, "nvidia-smi", script)
    says(path, "npu-smi", NPU_SMI)
    devices, (note,) = tools.discover()
    assert note.startswith("nvidia-smi")
    assert said in note
    assert len(devices) == 2


def test_a_tool_that_hangs_is_a_note(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_TIMEOUT_S", 0.2)
    fake(path, "cnmon", "exec sleep 60")
    devices, (note,) = tools.discover()
    assert devices == ()
    assert "did not answer" in note


def test_a_tool_that_finds_none_is_silent(path: Path) -> None:
    fake(path, "nvidia-smi", "echo No devices were found")
    assert tools.discover() == ((), ())


def test_the_table_names_every_vendor_that_has_a_tool() -> None:
    assert set(tools.QUESTIONS) == set(tools.DEVICES)


@pytest.mark.parametrize(
    ("files", "lines", "cpu_milli", "memory_mib"),
    [
        ({}, "0::/\n", None, 1000),
        ({"a/cpu.max": "150000 100000", "memory.max": "max"}, "0::/a\n", 1500, 1000),
        ({"cpu.max": "max 100000", "a/memory.max": "104857600"}, "0::/a/b\n", None, 100),
        (
            {"cpu/x/cpu.cfs_quota_us": "50000", "cpu/x/cpu.cfs_period_us": "100000"},
            "2:cpu:/x\n", 500, 1000,
        ),
        ({"memory/memory.limit_in_bytes": "209715200"}, "4:memory:/y\n", None, 200),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, "4:memory:/\n", None, 1000),
    ],
)  # fmt: skip
def test_cgroup_limits_count(
    tmp_path: Path,
    files: dict[str, str],
    lines: str,
    cpu_milli: int | None,
    memory_mib: int,
) -> None:
    for name, content in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(content + "\n")
    (tmp_path / "own").write_text(lines)
    (tmp_path / "meminfo").write_text("MemTotal:        1024000 kB\nMemFree: 1 kB\n")
    found = machine.discover(cgroups=tmp_path / "cgroup", own=tmp_path / "own", proc=tmp_path)
    assert found.node.total.cpu_milli == (cpu_milli or 1000 * len(os.sched_getaffinity(0)))
    assert found.node.total.memory_mib == memory_mib
