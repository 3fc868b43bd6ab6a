"""A run of several tasks: one placement group, so all or nothing, and one actor for each task."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from suan.pools.ray.job import bringing, main, places, surroundings, task
from suan.pools.ray.job.letters import Letters
from suan.pools.ray.job.single import conclude
from suan.pools.ray.job.stopping import Bell
from suan.pools.ray.job.telling import tell

_LISTEN_S = 0.2
_LOOK_S = 0.1


class Place:
    """One task's place on its node: starts the keeper there and passes words to and fro."""

    def free_port(self) -> int:
        """A port for the tasks to meet at."""
        return main.free_port()

    def start(self, spec: dict[str, Any], rank: int, port: int) -> list[dict[str, Any]]:
        """Start the task; its first words, if it cannot be."""
        spec = {**spec, "rank": rank, "logs": places.log_directory()}
        os.environ["RAY_ADDRESS"] = spec["ray_address"]
        if spec["parcels"]:
            try:
                bringing.fetch(spec, spec["logs"], Letters())
            except bringing.Gone as error:
                return [{"end": {"code": 1, "cause": "unlaunched", "detail": str(error)}}]
        spec["environment"] = surroundings.environment(spec, rank=rank, port=port)
        self._orders, self._words = task.start(spec)
        self._heard = b""
        return []

    def order(self, order: dict[str, Any]) -> None:
        """Pass an order on."""
        os.write(self._orders, json.dumps(order).encode() + b"\n")

    def words(self) -> list[dict[str, Any]]:
        """What the keeper has said since, after a moment's wait; its death is an end, too."""
        if not select.select([self._words], [], [], _LISTEN_S)[0]:
            return []
        data = os.read(self._words, 1 << 16)
        if not data:
            return [{"end": {"code": 1, "cause": "lost", "detail": "its keeper died"}}]
        *whole, self._heard = (self._heard + data).split(b"\n")
        return [json.loads(line) for line in whole]


def run(spec: dict[str, Any], bell: Bell) -> int:
    """Get the places, start the tasks, end all when one fails; the first failing one's code."""
    spec["ray_address"] = os.environ["RAY_ADDRESS"]
    ray.init(address=spec["ray_address"], log_to_driver=False, logging_level="error")
    bell.listen()  # Ray has put a handler of its own
    group = placement_group(list(spec["bundles"]), strategy="PACK", name=spec["submission"])
    try:
        refused = _await_places(group, bell, float(spec["patience_s"]))
        if refused is not None:
            return conclude(refused, bell)
        return conclude(_Gang(spec, group).see_through(bell), bell)
    finally:
        remove_placement_group(group)


def _await_places(group: Any, bell: Bell, patience_s: float) -> dict[str, Any] | None:
    """Wait for the whole group; the run's end if it does not come, or is not wanted any more."""
    give_up = time.monotonic() + patience_s
    while not group.wait(timeout_seconds=_LISTEN_S):
        if bell.order() is not None:
            return {"code": 143, "cause": "cancelled", "detail": "cancelled before it started"}
        if time.monotonic() > give_up:
            said = f"Ray had no place for the whole gang within {patience_s:g} s"
            return {"code": 1, "cause": "unlaunched", "detail": said}
    return None


class _Gang:
    """The tasks of a run under way."""

    def __init__(self, spec: dict[str, Any], group: Any) -> None:
        self._spec = spec
        made = ray.remote(max_restarts=0)(Place)
        self._places = [
            made.options(
                num_cpus=bundle.get("CPU", 0),
                num_gpus=bundle.get("GPU", 0),
                memory=bundle.get("memory", 0),
                resources={
                    name: amount
                    for name, amount in bundle.items()
                    if name not in ("CPU", "GPU", "memory")
                },
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    placement_group=group, placement_group_bundle_index=index
                ),
            ).remote()
            for index, bundle in enumerate(spec["bundles"])
        ]
        self._ends: dict[int, dict[str, Any]] = {}
        self._first: tuple[int, dict[str, Any]] | None = None
        self._started: set[int] = set()

    def see_through(self, bell: Bell) -> dict[str, Any]:
        """Start the tasks and wait for their ends; the run's end."""
        port = ray.get(self._places[0].free_port.remote())
        asked = {}
        for rank, place in enumerate(self._places):
            asked[place.start.remote(self._spec, rank, port)] = rank
        while len(self._ends) < len(self._places):
            order = bell.order()
            if order is not None:
                self._order_all(order)
            ready, _ = ray.wait(list(asked), timeout=_LOOK_S)
            for reference in ready:
                rank = asked.pop(reference)
                for word in self._said(reference):
                    self._take(rank, word)
                if rank not in self._ends:
                    asked[self._places[rank].words.remote()] = rank
        return self._end()

    def _said(self, reference: Any) -> list[dict[str, Any]]:
        try:
            words: list[dict[str, Any]] = ray.get(reference)
            return words
        except ray.exceptions.RayError as error:
            detail = f"its node or its Ray worker died: {str(error).strip().splitlines()[0]}"
            return [{"end": {"code": 1, "cause": "lost", "detail": detail}}]

    def _take(self, rank: int, word: dict[str, Any]) -> None:
        if "started" in word:
            self._started.add(rank)
            if len(self._started) == len(self._places):
                tell(word)
            return
        end = self._ends[rank] = word["end"]
        if (end["code"] or end["cause"]) and self._first is None:
            self._first = rank, end
            if end["cause"] == "cancelled":  # the others have been told already, and how
                return
            self._order_all({"signal": "SIGTERM", "grace_s": self._spec["grace_s"]})

    def _order_all(self, order: dict[str, Any]) -> None:
        for rank, place in enumerate(self._places):
            if rank not in self._ends:
                place.order.remote(order)

    def _end(self) -> dict[str, Any]:
        ends = self._ends.values()
        told = {"code": 0, "cause": "", "detail": "", "at": time.time()}
        if self._first is not None:
            rank, first = self._first
            told.update(first, rank=rank)
        told["cpu_us"] = sum(end.get("cpu_us", 0) for end in ends)
        told["max_rss_mib"] = max(end.get("max_rss_mib", 0) for end in ends)
        return told
