"""Asking each vendor's own tool which accelerators there are."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from suan.facts.accelerators import accelerator, canonical
from suan.facts.devices import DEVICES
from suan.pools.local.allocation import Device
from suan.pools.local.discovery import parsers
from suan.pools.local.discovery.parsers import Parser

_TIMEOUT_S = 5.0
_MIB_PER_GB = 1000**3 / 1024**2
_NEAR = 0.15  # a tool's memory may differ so much from the table's figure and be the same model

# vendor → arguments of its tool (whose name is in suan.facts.devices), and who reads the output
QUESTIONS: dict[str, tuple[tuple[str, ...], Parser]] = {
    "NVIDIA": (
        ("--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"),
        parsers.csv,
    ),
    "Huawei": (("info",), parsers.npu_table),
    "Cambricon": ((), parsers.card_table),
    "Hygon": (("--showproductname",), parsers.product_names),
    "AMD": (("--showproductname",), parsers.product_names),
    "MetaX": ((), parsers.card_table),
    "MooreThreads": ((), parsers.card_table),
    "Iluvatar": (("-L",), parsers.listing),
    "Intel": (("discovery", "-j"), parsers.device_list),
}


def discover() -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """The devices of every vendor whose tool is installed, and a note for each tool that failed."""
    installed = [vendor for vendor in QUESTIONS if _tool(vendor)]
    if not installed:
        return (), ()
    with ThreadPoolExecutor(len(installed)) as threads:
        answers = list(threads.map(_ask, installed))
    devices = [device for found, _ in answers for device in found]
    return tuple(devices), tuple(note for _, note in answers if note)


def _tool(vendor: str) -> str | None:
    return shutil.which(DEVICES[vendor].discovery_cli) if vendor in DEVICES else None


def _ask(vendor: str) -> tuple[list[Device], str]:
    arguments, parse = QUESTIONS[vendor]
    name = DEVICES[vendor].discovery_cli
    try:
        done = subprocess.run(
            [_tool(vendor) or name, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        rows = parse(done.stdout.decode())
    except subprocess.TimeoutExpired:
        return (
            [],
            f"{name} did not answer within {_TIMEOUT_S:g} s: its accelerators are not offered",
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).decode(errors="replace").strip().splitlines()
        why = said[0][:200] if said else "nothing said"
        return [], f"{name} failed with code {error.returncode} ({why})"
    except UnicodeDecodeError:
        return [], f"{name}: its output is not understood: it is no text; none is offered"
    except (OSError, ValueError, KeyError) as error:
        return [], f"{name}: {error}; its accelerators are not offered"
    return [Device(model(product, memory), number) for number, product, memory in rows], ""


def model(name: str, memory_mib: int | None) -> str:
    """The canonical model of a product name such as ``NVIDIA H100 80GB HBM3``.

    The longest run of its words that the table knows decides; a variant whose memory is not what
    the tool says is not taken.
    """
    words = re.split(r"[-\s\[\]()]+", name.strip("[]() "))
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            known = accelerator(" ".join(words[start : start + length]))
            if known and _same_memory(known.memory_gb, memory_mib):
                return known.model
    return canonical(name)


def _same_memory(memory_gb: float | None, memory_mib: int | None) -> bool:
    if memory_gb is None or memory_mib is None:
        return True
    return abs(memory_mib - memory_gb * _MIB_PER_GB) <= _NEAR * memory_mib
