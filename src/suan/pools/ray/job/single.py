"""A run of one task: its Ray job holds what it needs, so Ray itself is not even imported."""

from __future__ import annotations

import json
import os
import select
from typing import Any

from suan.pools.ray.job import task
from suan.pools.ray.job.stopping import Bell
from suan.pools.ray.job.telling import tell

_LISTEN_S = 0.1


def run(spec: dict[str, Any], bell: Bell) -> int:
    """Keep the one task, and tell of it; the script's exit code."""
    orders, words = task.start(spec)
    heard = b""
    end = None
    while end is None:
        order = bell.order()
        if order is not None:
            os.write(orders, json.dumps(order).encode() + b"\n")
        if not select.select([words], [], [], _LISTEN_S)[0]:
            continue
        data = os.read(words, 1 << 16)
        if not data:
            end = {"code": 1, "cause": "lost", "detail": "its keeper died"}
        heard += data
        *whole, heard = heard.split(b"\n")
        for line in whole:
            word = json.loads(line)
            end = word.get("end")
            if end is None:
                tell(word)
    return conclude(end, bell)


def conclude(end: dict[str, Any], bell: Bell) -> int:
    """Tell a run's end; the code that its job exits with."""
    if bell.by_ray and end.get("cause") == "cancelled":
        end["detail"] = "it was stopped in Ray, not by suan"
    tell({"end": end})
    return int(end["code"]) & 0xFF
