"""``PeerPool``: what another owner offers, through his API."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote, urlencode

import httpx

from suan.content import frames
from suan.content.frames import Piece
from suan.killpoints import passing
from suan.model.errors import PoolError, PoolOutcomeUnknown, PoolRejected, PoolUnavailable
from suan.model.job import Cause
from suan.model.offer import Offer
from suan.model.pool import Content, Launch, LogChunk, Observation, OutputFile, Parcel, RunReport
from suan.model.units import SECOND, Duration, NodeName, RunId, SiteName
from suan.model.views import MissingView
from suan.peering.protocol import (
    END_HEADER,
    NEXT_HEADER,
    EndRun,
    Forward,
    Platform,
    Settled,
    Sight,
)
from suan.pools.environment import settable
from suan.pools.peer.line import Line, read
from suan.pools.sending import send
from suan.pools.terms import HERE

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
STREAMS = ("stdout", "stderr")
_POLL_S = 20.0  # how long the peer may wait for news before it says that there is none
_AGAIN_S = 2.0  # after a poll that failed
_TURNS = 10_000  # kept; a forgotten one is asked for anew


class PeerPool:
    """Made by ``kind.PeerKind.open``. Belongs to one event loop from its first call."""

    kind: ClassVar[str] = "peer"

    def __init__(self, offer: Offer, line: Line, pool: str, *, patience: Duration) -> None:
        self._offer = offer
        self._line = line
        self._path = f"/v1/peer/offers/{quote(pool, safe='')}"
        self._patience_s = patience / SECOND
        self._names: set[NodeName] = set()  # that were ever offered: fewer now is no fault
        self._turns: OrderedDict[RunId, int] = OrderedDict()
        self._waiting: dict[RunId, float] = {}  # since when, by the loop's clock
        self._ends: dict[RunId, RunReport] = {}  # heard by asking, not told of yet
        self._cursor: str | None = None
        self._why: dict[RunId, str] = {}  # a run waited there until it was taken back
        self._news = asyncio.Event()
        self._observed = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    @property
    def offer(self) -> Offer:
        """What is true of the pool as a whole."""
        return self._offer

    async def observe(self, cursor: str | None) -> Observation:
        """What the offer comes to, and what the runs here do, since ``cursor``."""
        self._news.clear()
        seen = await self._look(cursor)
        if seen.nodes is not None:
            self._names.update(node.name for node in seen.nodes)
            self._offer = _offered(self._offer, seen)
        ends, self._ends = self._ends, {}
        told = (ends | {each.run: each for each in seen.reports}).values()
        reports = tuple(self._heard(told))
        self._cursor = seen.cursor
        self._observed.set()
        await self._take_back_late()
        return Observation(cursor=seen.cursor, nodes=seen.nodes, reports=reports)

    async def launch(self, launch: Launch) -> str:
        """Forward a run: it becomes a job there, once."""
        _check(launch.run)
        settable(launch)
        for target, source in launch.file_mounts.items():
            if "://" in source:
                said = f"file_mounts: {target!r} comes from {source!r}; a peer cannot fetch URLs"
                raise PoolRejected(said, mend="have it fetched here: submit it by `suan submit`")
        turn = self._turns.get(launch.run, 0)
        if not self._names:
            await self.observe(None)
        unknown = sorted(set(launch.nodes) - self._names)
        if unknown or not launch.nodes:
            raise PoolRejected(f"pool {self._offer.pool} has no node {', '.join(unknown)}")
        passing("peer.before_forwarding")
        body = Forward(launch, turn)
        await self._line.ask("PUT", f"{self._path}/runs/{launch.run}", body=body)
        passing("peer.forwarded")
        self._waiting.setdefault(launch.run, asyncio.get_running_loop().time())
        return launch.run

    async def find(self, run: RunId) -> str | None:
        """The reference of a run that was forwarded, or ``None``: then no earlier launch will be
        taken there, whenever it comes."""
        _check(run)
        found = await self._settled(run)
        if found.ref is None:
            self._turns[run] = found.turn
            while len(self._turns) > _TURNS:
                self._turns.popitem(last=False)
        elif found.report is not None and found.report.outcome is not None:
            self._ends[run] = found.report
            self._news.set()
        return found.ref

    async def cancel(self, ref: str, grace: Duration) -> None:
        """SIGTERM to a run's processes there now, SIGKILL after ``grace``."""
        await self.preempt(ref, signal="SIGTERM", grace=grace)

    async def preempt(self, ref: str, *, signal: str, grace: Duration) -> None:
        """The same, with a signal of the job's own."""
        if _RUN_NAME.fullmatch(ref):
            await self._end(ref, EndRun(signal, grace))

    async def read_log(
        self, ref: str, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """A piece of a task's output, of any bytes."""
        if stream not in STREAMS:
            raise PoolRejected(f"run {ref} has no {stream!r} of task {task}")
        what = f"log?task={task}&stream={stream}&offset={offset}&limit={limit}"
        answer = await self._read_of(ref, what)
        headers = answer.headers
        return LogChunk(answer.content, int(headers[NEXT_HEADER]), headers[END_HEADER] == "1")

    async def list_outputs(self, ref: str) -> tuple[OutputFile, ...]:
        """What a run has left there so far."""
        return read(await self._read_of(ref, "outputs"), tuple[OutputFile, ...])

    async def read_output(self, ref: str, path: str, *, offset: int, limit: int) -> bytes:
        """Bytes of one of them."""
        what = urlencode({"path": path, "offset": offset, "limit": limit})
        return (await self._read_of(ref, f"output?{what}")).content

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        """Send the peer what it lacks of a parcel."""
        await send(parcel, content, self, moved=moved)

    async def missing(self, digests: Sequence[str]) -> Mapping[str, int]:
        """Which contents are not there whole, each with how many of its first bytes are."""
        asked = {"digests": list(digests)}
        answer = await self._line.ask("POST", "/v1/peer/content/missing", body=asked)
        return read(answer, MissingView).missing

    async def put(self, digest: str, offset: int, data: bytes, *, size: int) -> None:
        """Send a piece of a content."""
        body = frames.encode(Piece(digest, offset, data, size))
        await self._line.ask("POST", "/v1/peer/content", body=body)

    async def changed(self) -> None:
        """Return as soon as the peer has told, or failed to tell, that something is new."""
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        await self._news.wait()

    async def check(self) -> list[str]:
        """Who answers, and what is offered; in words.

        Raises:
            PoolError: what is wrong, and how to mend it.
        """
        found = read(await self._line.ask("GET", "/v1/peer/offers"), Platform)
        said = [f"suan {found.suan} at {self._line.url}, platform {found.platform}"]
        mine = self._path.rpartition("/")[2]
        offered = {offer.pool: offer for offer in found.offers}
        if mine not in offered:
            there = ", ".join(sorted(offered)) or "nothing"
            raise PoolRejected(
                f"it offers us no pool {mine!r}; it offers {there}",
                mend="name one of them by `pool` in pools.yaml, or ask the owner",
            )
        return [*said, f"it offers us {mine}: {offered[mine].said}"]

    async def close(self) -> None:
        """Let go of the peer. Runs go on."""
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
        await self._line.close()

    async def _look(self, cursor: str | None, *, wait_s: float = 0.0) -> Sight:
        asked = [f"cursor={quote(cursor, safe='')}"] if cursor else []
        if wait_s:
            asked.append(f"wait_s={wait_s:g}")
        path = self._path + ("?" + "&".join(asked) if asked else "")
        try:
            return read(await self._line.ask("GET", path, wait_s=wait_s), Sight)
        except PoolOutcomeUnknown as error:
            raise PoolUnavailable(str(error), mend=error.mend) from error

    async def _poll(self) -> None:
        """Let the peer say when something is new, again and again."""
        while True:
            cursor = self._cursor
            try:
                seen = await self._look(cursor, wait_s=_POLL_S)
            except PoolError:
                self._news.set()  # let the next observation find out
                await asyncio.sleep(_AGAIN_S)
                continue
            if seen.cursor != cursor:
                self._observed.clear()
                self._news.set()
                await self._observed.wait()

    async def _read_of(self, ref: str, what: str) -> httpx.Response:
        _check(ref)
        try:
            return await self._line.ask("GET", f"/v1/peer/runs/{ref}/{what}")
        except PoolOutcomeUnknown as error:  # reading changes nothing
            raise PoolUnavailable(str(error), mend=error.mend) from error

    async def _settled(self, run: RunId) -> Settled:
        try:
            return read(await self._line.ask("POST", f"/v1/peer/runs/{run}/find"), Settled)
        except PoolOutcomeUnknown as error:  # asked again, it says the same or begins a new turn
            raise PoolUnavailable(str(error), mend=error.mend) from error

    async def _end(self, run: str, how: EndRun) -> None:
        await self._line.ask("POST", f"/v1/peer/runs/{run}/end", body=how)

    def _heard(self, reports: Iterable[RunReport]) -> Iterator[RunReport]:
        """Note which runs still wait there; of one that was taken back, say why it waited."""
        now = asyncio.get_running_loop().time()
        for report in reports:
            if report.started_at is None and report.outcome is None:
                self._waiting.setdefault(report.run, now)
            else:
                self._waiting.pop(report.run, None)
            why = self._why.pop(report.run, "") if report.outcome is not None else ""
            if why and report.outcome is not None and report.outcome.cause is Cause.UNLAUNCHED:
                report = replace(report, outcome=replace(report.outcome, detail=why))
            yield report

    async def _take_back_late(self) -> None:
        """Runs that have waited there for too long are to go elsewhere."""
        now = asyncio.get_running_loop().time()
        late = [run for run, at in self._waiting.items() if now - at > self._patience_s]
        for run in late:
            self._waiting[run] = now
        for done in await asyncio.gather(*map(self._take_back, late), return_exceptions=True):
            if isinstance(done, BaseException) and not isinstance(done, PoolError):
                raise done

    async def _take_back(self, run: RunId) -> None:
        why = (await self._settled(run)).waiting or "it did not say why"
        self._why[run] = f"its owner kept it waiting for {self._patience_s:g} s: {why}"
        await self._end(run, EndRun(only_waiting=True))


def _offered(offer: Offer, seen: Sight) -> Offer:
    """What the peer says of its pool; "here" is a place only there."""
    site = SiteName(offer.pool) if seen.terms.site == HERE else seen.terms.site
    frameworks = offer.frameworks or seen.frameworks
    terms = replace(seen.terms, site=site)
    return replace(offer, terms=terms, frameworks=frameworks, withheld=seen.withheld)


def _check(run: str) -> None:
    if not _RUN_NAME.fullmatch(run):
        raise PoolRejected(f"{run!r} is not the name of a run")
