"""The entry point of a run's Ray job: reads what was launched, and runs it."""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from typing import Any

from suan.pools.ray.job import bringing, places, surroundings
from suan.pools.ray.job.letters import Letters
from suan.pools.ray.job.stopping import Bell
from suan.pools.ray.job.telling import tell


def main() -> int:
    """Run what the parcel called ``argv[1]`` holds; the exit code."""
    spec = _parcel(sys.argv[1])
    letters = Letters()
    bell = Bell(spec, letters)
    try:
        return _run(spec, letters, bell)
    except bringing.Gone as error:
        tell({"end": {"code": 1, "cause": "unlaunched", "detail": str(error)}})
        return 1
    except Exception as error:  # noqa: BLE001 - the boundary of the program: the other end tells
        traceback.print_exc()
        tell({"end": {"code": 1, "cause": "lost", "detail": f"its Ray job broke: {error!r}"}})
        return 1


def _run(spec: dict[str, Any], letters: Letters, bell: Bell) -> int:
    if spec["secrets"]:
        spec["env"].update(letters.take(spec["secrets"]))
    if len(spec["nodes"]) > 1:
        from suan.pools.ray.job import gang

        return gang.run(spec, bell)
    from suan.pools.ray.job import single

    spec["rank"] = 0
    spec["logs"] = places.log_directory()
    if spec["parcels"]:
        bringing.fetch(spec, spec["logs"], letters)
    spec["environment"] = surroundings.environment(spec, rank=0, port=free_port())
    return single.run(spec, bell)


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def _parcel(name: str) -> dict[str, Any]:
    for directory in sys.path:
        path = os.path.join(directory, f"{name}.json")  # noqa: PTH118 - plain, as all that travels
        if os.path.isfile(path):  # noqa: PTH113
            with open(path, encoding="utf-8") as file:  # noqa: PTH123
                spec: dict[str, Any] = json.load(file)
                return spec
    raise FileNotFoundError(f"the parcel {name} did not come with the job")
