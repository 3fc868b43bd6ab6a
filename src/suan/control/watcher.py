"""Watching one pool: at its word or by the clock, and by probes while it is lost."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from suan.control.calls import PoolCalls, Surroundings
from suan.control.circuit import Circuit
from suan.control.happenings import Capacity
from suan.killpoints import passing
from suan.model.errors import PoolError
from suan.model.offer import NodeStatus
from suan.model.pool import Observation, Pool, RunReport, Watch


class Watcher:
    """Observes for ever. ``hear`` takes each report; ``reconcile`` takes the reports of an
    observation of everything, from which a run that is missing may be gone."""

    def __init__(
        self,
        pool: Pool,
        calls: PoolCalls,
        around: Surroundings,
        *,
        hear: Callable[[RunReport], None],
        reconcile: Callable[[tuple[RunReport, ...], int], None],
    ) -> None:
        self._pool = pool
        self._calls = calls
        self._around = around
        self._hear = hear
        self._reconcile = reconcile
        self._everything_at = 0
        self._cursor: str | None = None
        self._told_as = Circuit.CLOSED  # how far the pool was believed when its nodes were told
        self.looked = asyncio.Event()  # the first observation has come, or has failed

    async def run(self) -> None:
        """Observe, again and again."""
        delays = self._calls.delays()
        while True:
            try:
                await self._observe()
            except PoolError as error:
                self._calls.failed(error)
                self.looked.set()
                await asyncio.sleep(next(delays))
            else:
                self.looked.set()
                delays = self._calls.delays()
                await self._news()

    def lost(self) -> None:
        """Nothing new goes there from now on."""
        self._told_as = Circuit.OPEN

    async def _observe(self) -> None:
        began = self._around.clock.elapsed()
        if began >= self._everything_at or self._told_as is not Circuit.CLOSED:
            self._cursor = None
        seen = await self._calls.observe(self._pool, self._cursor)
        if self._cursor is not None and self._calls.circuit is not self._told_as:
            self._cursor = None  # it is believed otherwise by now: all its nodes are told anew
            seen = await self._calls.observe(self._pool, None)
        passing("observe.after")
        self._saw(seen)
        if self._cursor is None:
            self._everything_at = began + self._around.settings.reconcile_every
            self._reconcile(seen.reports, began)
        self._cursor = seen.cursor

    def _saw(self, seen: Observation) -> None:
        if (seen.nodes is not None or self._cursor is None) and not self._calls.lost:
            nodes = seen.nodes or ()
            if self._calls.circuit is Circuit.HALF_OPEN:
                nodes = one_of(nodes)
            self._around.post(Capacity(self._pool.offer, nodes, seen.removed, seen.complete))
        self._told_as = self._calls.circuit
        for report in seen.reports:
            self._hear(report)

    async def _news(self) -> None:
        """Wait until another look is worth while: at the pool's word, or by the clock."""
        settings = self._around.settings
        await asyncio.sleep(settings.observe_gap / 1e6)
        try:
            async with asyncio.timeout(settings.observe_every / 1e6) as limit:
                if isinstance(self._pool, Watch):
                    await self._calls.call(self._pool.changed)
                    return
                await asyncio.sleep(settings.observe_every / 1e6)
        except (TimeoutError, PoolError):
            if not limit.expired():
                await asyncio.sleep(settings.observe_every / 1e6)


def one_of(nodes: tuple[NodeStatus, ...]) -> tuple[NodeStatus, ...]:
    """The nodes, the largest of which alone takes new runs."""
    largest = max((node for node in nodes if node.schedulable), key=_size, default=None)
    return tuple(node if node is largest else replace(node, schedulable=False) for node in nodes)


def _size(node: NodeStatus) -> tuple[int, int, int]:
    total = node.total
    return sum(count for _, count in total.accelerators), total.cpu_milli, total.memory_mib
