"""Where the public workloads lie, and their rows, as plainly as a bare loop wants them.

They are not part of this repository: ``$SUAN_TRACES``, or ``../shared/traces`` beside it. What a
benchmark does not find it names and skips. Not for: simulating (``suan.sim`` reads the same files
into jobs).
"""

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TIGHT, PHILLY, OPENB = "philly_tight/jobs.csv", "philly/philly.csv", "openb"
THETA = "swf/theta_2022.swf.gz"
CURIE = "swf/CEA-Curie-2011-2.1-cln.swf.gz"
PAI = "pai/pai-100k.csv.gz"
GPUS_A_NODE = 8  # in every Philly cluster


class Row(NamedTuple):
    """One job of a trace; times in seconds from the first submission. ``width`` counts
    accelerators or processors, ``asked`` is the requested time (else the run time)."""

    submit: int
    duration: int
    width: int
    group: str = ""  # the virtual cluster
    user: str = ""
    asked: int = 0


def folder() -> Path:
    """Where the traces are, or would be."""
    return Path(os.environ.get("SUAN_TRACES") or ROOT.parent / "shared" / "traces")


def found(name: str) -> Path | None:
    """One trace; ``None``, and said so in the results, where it is absent."""
    path = folder() / name
    if path.exists():
        return path
    print(f"Skipped: {name} is not there (set SUAN_TRACES to the folder of the traces).\n")
    return None


def tight(path: Path) -> tuple[list[Row], dict[str, int]]:
    """philly_tight in the order of its file, and the nodes of each virtual cluster."""
    with path.open() as file:
        rows = [
            Row(int(r["submit"]), int(r["duration"]), int(r["gpu_num"]), r["vc"])
            for r in csv.DictReader(file)
        ]
    with (path.parent / "nodes.csv").open() as file:
        nodes = {r["vc"]: int(r["nodes"]) for r in csv.DictReader(file)}
    return rows, nodes


def published_tight(path: Path) -> dict[str, tuple[int, int]]:
    """HeliosArtifact's mean queueing delay [s] under FIFO and SJF, by virtual cluster and for
    ``all``."""
    with (path.parent / "helios_artifact_results.csv").open() as file:
        return {
            r["vc"]: (int(r["fifo_mean_queue_s"]), int(r["sjf_mean_queue_s"]))
            for r in csv.DictReader(file)
        }


def swf(path: Path, machine: int) -> list[Row]:
    """The usable jobs of a Standard Workload Format file, normalised as the traces' README says:
    rows without a positive run time and processors within ``machine`` go; the requested time where
    it is positive; nothing runs past it; by submission; the first at 0."""
    rows = []
    with gzip.open(path, "rt") as file:
        for line in file:
            if line.startswith(";") or not line.strip():
                continue
            part = line.split()
            submit, run, allocated = int(part[1]), int(float(part[3])), int(part[4])
            width = allocated if allocated > 0 else int(part[7])
            if run <= 0 or not 0 < width <= machine:
                continue
            asked = int(float(part[8]))
            asked = asked if asked > 0 else run
            rows.append(Row(submit, min(run, asked), width, user=part[11], asked=asked))
    rows.sort(key=lambda row: row.submit)
    first = rows[0].submit
    return [row._replace(submit=row.submit - first) for row in rows]


@dataclass(frozen=True, slots=True)
class Machine:
    """A node of the openb cluster: thousandths of processors, MiB, whole accelerators."""

    name: str
    cpu: int
    memory: int
    gpus: int
    model: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the openb cluster. ``share`` is in thousandths of an accelerator: below 1000 a
    share of one, else whole ones. ``models`` empty means any."""

    cpu: int
    memory: int
    share: int
    models: tuple[str, ...]


def openb(path: Path) -> tuple[list[Machine], list[Pod]]:
    """The nodes that have accelerators, and the pods."""
    with (path / "openb_node_list_all_node.csv").open() as file:
        nodes = [
            Machine(r["sn"], int(r["cpu_milli"]), int(r["memory_mib"]), int(r["gpu"]), r["model"])
            for r in csv.DictReader(file)
            if int(r["gpu"])
        ]
    with (path / "openb_pod_list_default.csv").open() as file:
        pods = [
            Pod(
                int(r["cpu_milli"]),
                int(r["memory_mib"]),
                int(r["num_gpu"]) * int(r["gpu_milli"]),
                tuple(sorted(filter(None, r["gpu_spec"].split("|")))),
            )
            for r in csv.DictReader(file)
        ]
    return nodes, pods
