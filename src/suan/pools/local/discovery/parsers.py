"""What each vendor's tool prints, to ``(number, product name, memory in MiB or None)`` rows.

Each raises ``ValueError`` for output in which it finds no device and no plain "none".
"""

import json
import re
from collections.abc import Callable
from typing import TypeAlias

Row: TypeAlias = tuple[int, str, int | None]
Parser: TypeAlias = Callable[[str], list[Row]]

_NONE = re.compile(r"no devices|not found any|no gpu|no supported", re.IGNORECASE)


def csv(output: str) -> list[Row]:
    """``nvidia-smi --query-gpu=index,name,memory.total --format=csv,noheader,nounits``."""
    rows: list[Row] = []
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 3 and cells[0].isdigit():
            rows.append((int(cells[0]), cells[1], int(cells[2]) if cells[2].isdigit() else None))
    return _some(rows, output)


def listing(output: str) -> list[Row]:
    """``-L``: ``GPU 0: Iluvatar BI-V150 (UUID: GPU-…)``."""
    found = re.findall(r"^GPU\s*(\d+):\s*(.+?)\s*(?:\(UUID.*)?$", output, re.MULTILINE)
    return _some([(int(number), name, None) for number, name in found], output)


def product_names(output: str) -> list[Row]:
    """``--showproductname`` of rocm-smi and hy-smi: ``GPU[0] : Card series: …``."""
    found = re.findall(
        r"^(?:GPU|DCU|HCU)\[(\d+)\]\s*:\s*Card series:\s*(.+?)\s*$",
        output,
        re.MULTILINE | re.IGNORECASE,
    )
    return _some([(int(number), name, None) for number, name in found], output)


def npu_table(output: str) -> list[Row]:
    """``npu-smi info``: two lines for a chip, the first with its name, the second with its HBM.

    An NPU of two chips stands twice; each chip is a device, numbered through.
    """
    rows: list[Row] = []
    for line in output.splitlines():
        named = re.match(r"\|\s*\d+\s+([A-Za-z0-9_-]*\d[A-Za-z0-9_-]*)\s*\|\s*[A-Za-z]+\s*\|", line)
        usage = re.findall(r"\d+\s*/\s*(\d+)", line)
        if named:
            rows.append((len(rows), named[1], None))
        elif rows and usage and rows[-1][2] is None:
            rows[-1] = (rows[-1][0], rows[-1][1], max(map(int, usage)) or None)
    return _some(rows, output)


def card_table(output: str) -> list[Row]:
    """``cnmon``, ``mx-smi`` and ``mthreads-gmi``: ``| 0     /   MLU370-X8    v1.1.4 | …``.

    The first word of a numbered line that has letters and digits is the product's name.
    """
    rows: list[Row] = []
    for line in output.splitlines():
        found = re.match(
            r"\|?\s*(\d+)\s+(?:/\s+|\d+\s+)?((?:MLU|MXC|MXN|MTT|BI)[^|]*?)\s*(?:\||$)", line
        )
        if found and int(found[1]) == len(rows):
            rows.append((len(rows), re.split(r"\s{2,}", found[2])[0], None))
    return _some(rows, output)


def device_list(output: str) -> list[Row]:
    """``xpu-smi discovery -j``: JSON with a ``device_list``."""
    rows = [
        (int(device["device_id"]), str(device["device_name"]), None)
        for device in json.loads(output).get("device_list", [])
    ]
    return _some(sorted(rows), output)


def _some(rows: list[Row], output: str) -> list[Row]:
    if not rows and not _NONE.search(output):
        first = next((line.strip() for line in output.splitlines() if line.strip()), "nothing")
        raise ValueError(f"its output is not understood; it begins {first[:80]!r}")
    return rows
