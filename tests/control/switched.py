"""A real pool behind switches: it may hang, be gone, take runs and start none, or say untruths."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from suan.model.errors import PoolError, PoolUnavailable
from suan.model.job import Cause, Outcome
from suan.model.offer import Offer
from suan.model.pool import Launch, Observation, Pool, RunReport
from suan.model.units import Duration, RunId

CALLS = ("observe", "launch", "find", "cancel")


@dataclass
class Switched:
    """Passes everything on to ``real`` unless a switch says otherwise."""

    real: Pool
    kind: ClassVar[str] = "switched"
    away: dict[str, PoolError] = field(default_factory=dict)  # what a call raises, by its name
    hanging: set[str] = field(default_factory=set)  # calls that get no answer; done all the same …
    unheard: set[str] = field(default_factory=set)  # … or never heard of by the real one
    gives_back: bool = False  # takes runs, and says later that it could not start them
    says: list[RunReport] = field(default_factory=list)  # whatever is true
    calls: Counter[str] = field(default_factory=Counter)
    _given_back: list[RunId] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def offer(self) -> Offer:
        return self.real.offer

    def goes(self) -> None:
        """Off the network, whatever is under way."""
        self.away = {call: PoolUnavailable("the line is cut") for call in CALLS}

    def hangs(self, *calls: str) -> None:
        """From now on these calls get no answer, and are done all the same."""
        self._released.clear()
        self.hanging |= set(calls)

    def comes_back(self) -> None:
        """All is well again; what hung fails, as a broken line does."""
        self.away, self.hanging, self.unheard, self.gives_back = {}, set(), set(), False
        self._released.set()

    async def observe(self, cursor: str | None) -> Observation:
        seen = await self._pass("observe", lambda: self.real.observe(cursor))
        back = tuple(
            RunReport(run, run, outcome=Outcome(Cause.UNLAUNCHED, detail="kept waiting"))
            for run in self._given_back
        )
        return replace(seen, reports=(*self.says, *seen.reports, *back))

    async def launch(self, launch: Launch) -> str:
        if self.gives_back:
            self.calls["launch"] += 1
            self._given_back.append(launch.run)
            return launch.run
        return await self._pass("launch", lambda: self.real.launch(launch))

    async def find(self, run: RunId) -> str | None:
        return await self._pass("find", lambda: self.real.find(run))

    async def cancel(self, ref: str, grace: Duration) -> None:
        await self._pass("cancel", lambda: self.real.cancel(ref, grace))

    async def close(self) -> None:
        await self.real.close()

    async def _pass(self, call: str, do: Callable[[], Awaitable]):  # type: ignore[no-untyped-def]
        self.calls[call] += 1
        if call in self.away:
            raise self.away[call]
        if call in self.unheard:
            await self._released.wait()
            raise PoolUnavailable("the line broke")
        answer = await do()
        if call in self.hanging:
            await self._released.wait()
        return answer
