"""An offer at work: what a peer sees of it, and how a run that it forwards becomes a job here."""

import re
import time
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from suan.accounting import bill
from suan.api import bringing
from suan.api.checks import checked_spec
from suan.api.logs import Pulse
from suan.api.peering import Peer
from suan.api.problems import OfferClosed, Superseded, WayRefused
from suan.api.services import ApiContext
from suan.api.submission import new_id
from suan.model.bill import Bill
from suan.model.errors import InputError, NotFound
from suan.model.job import JobState
from suan.model.live import PoolStatus
from suan.model.offer import NodeStatus, Terms
from suan.model.peer import Ending, ForwardedRun, Mirrored, PeerOffer, user_of
from suan.model.pool import Launch, RunReport
from suan.model.spec import CONTENT, Forwarded, JobSpec, ResourceOption, RetryPolicy
from suan.model.store import Command, NewJob, Submission
from suan.model.units import DAY, PoolName, RunId
from suan.peering.mirror import report_of
from suan.peering.protocol import EndRun, Forward, Sight, way_refused
from suan.peering.summary import Held, closed, offered_nodes, offered_terms

ENDED_KEPT = DAY  # so long an end is told to a peer that begins anew; later ones it asks for
CAPACITY_EVERY_S = 1.0  # while a peer waits for news
_CURSOR = re.compile(r"([0-9]{1,15})\.([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class _Capacity:
    nodes: tuple[NodeStatus, ...] = ()
    terms: Terms = Terms()
    frameworks: tuple[str, ...] = ()
    withheld: str = ""

    @property
    def digest(self) -> str:
        return sha256(msgspec.json.encode(self)).hexdigest()[:16]


async def sight(
    context: ApiContext, peer: Peer, pool: str, *, cursor: str | None, wait_s: float
) -> Sight:
    """What is new since a cursor; where nothing is, what is new within ``wait_s``."""
    until = time.monotonic() + wait_s
    pulse = Pulse()
    while True:
        found = await _look(context, peer, pool, cursor=cursor)
        looked = time.monotonic()
        while found.cursor == cursor and time.monotonic() - looked < CAPACITY_EVERY_S:
            if time.monotonic() >= until:
                return found
            await pulse.wait()
            if await _told(context, peer, pool, cursor=cursor):
                break
        if found.cursor != cursor:
            return found


async def _told(context: ApiContext, peer: Peer, pool: str, *, cursor: str) -> bool:
    """Whether there is news of a run."""
    _, seen = await context.store.peers.mirrored(peer.name, pool, after=_read(cursor)[0], since=0)
    return bool(seen)


async def _look(context: ApiContext, peer: Peer, pool: str, *, cursor: str | None) -> Sight:
    after, digest = _read(cursor)
    peers, since = context.store.peers, context.now() - ENDED_KEPT
    newest, seen = await peers.mirrored(peer.name, pool, after=after, since=since)
    if after is not None and after > newest:  # of another store, or of what a backup has lost
        after, digest = None, ""
        newest, seen = await peers.mirrored(peer.name, pool, after=None, since=since)
    found = await _capacity(context, peer, pool)
    changed = found.digest != digest
    if after is not None and not seen and not changed and cursor is not None:
        return Sight(cursor)
    return Sight(
        cursor=f"{newest}.{found.digest}",
        nodes=found.nodes if changed else None,
        terms=found.terms,
        frameworks=found.frameworks,
        reports=tuple(map(report, seen)),
        withheld=found.withheld,
    )


def _read(cursor: str | None) -> tuple[int | None, str]:
    found = _CURSOR.fullmatch(cursor or "")
    return (int(found[1]), found[2]) if found else (None, "")


async def _capacity(context: ApiContext, peer: Peer, pool: str) -> _Capacity:
    """Nothing where the offer was taken back: what it began may end."""
    try:
        offer = await context.peers.offer(peer, pool)
    except NotFound:
        since = context.now() - ENDED_KEPT
        _, seen = await context.store.peers.mirrored(peer.name, pool, after=None, since=since)
        if not seen:
            raise
        return _Capacity(withheld="its owner took the offer back")
    status = await pool_of(context, offer)
    if status is None:
        return _Capacity(withheld=f"its owner has no pool {offer.pool} any more")
    held = Held(
        await context.live.runs_in(offer.pool),
        await context.store.peers.open(offer.peer, offer.pool),
    )
    is_open = status.available and not status.drained and not closed(offer, context.now())
    return _Capacity(
        offered_nodes(offer, status.nodes, held, is_open=is_open),
        offered_terms(offer, status.offer.terms),
        status.offer.frameworks,
    )


async def pool_of(context: ApiContext, offer: PeerOffer) -> PoolStatus | None:
    """The pool that an offer is of, if it is still there."""
    pools = await context.live.pools()
    return next((each for each in pools if each.offer.pool == offer.pool), None)


def report(seen: Mirrored) -> RunReport:
    """A run's report, with its bill at what held when it came."""
    return report_of(seen, _bill(seen) if seen.state.final else None)


def _bill(seen: Mirrored) -> Bill | None:
    last = seen.last
    if last is None or last.ended_at is None:
        return None
    return bill(
        per_task=last.per_task,
        tasks=len(last.nodes),
        duration=last.ended_at - (last.started_at or last.ended_at),
        usage=seen.usage,
        terms=seen.forwarded.terms,
    )


async def forward(context: ApiContext, peer: Peer, pool: str, *, asked: Forward) -> ForwardedRun:
    """Make a peer's run a job, once.

    Raises:
        NotFound: nothing is offered.
        WayRefused: the job has been here, or has come too far.
        OfferClosed: nothing may start under the offer now.
        Superseded: the run was given up since; nothing was done.
        ContentMissing: some of what it brings was not sent, or is gone.
        InputError: there can be no such job.
    """
    launch = asked.launch
    known = await context.store.peers.one(peer.name, launch.run)
    if known is not None:
        return known.forwarded
    platform = await context.store.peers.platform()
    if why := way_refused(launch.path, platform):
        raise WayRefused(why, mend="offer each other no pools that are each other's")
    offer = await context.peers.offer(peer, pool)
    status = await pool_of(context, offer)
    why = closed(offer, context.now()) if status else f"pool {pool} is no longer here"
    if status is None or why:
        raise OfferClosed(why, mend="wait until it is open, or ask the owner")
    spec = _spec(launch, offer, status.offer.kind)
    await bringing.check(context.content, [spec], ["launch."])
    run = ForwardedRun(
        peer=peer.name,
        run=launch.run,
        pool=offer.pool,
        turn=asked.turn,
        nodes=launch.nodes,
        per_task=launch.per_task,
        terms=offered_terms(offer, status.offer.terms),
    )
    job = NewJob(new_id(context.services.random_bytes), spec)
    made = await context.store.peers.forward(run, Submission((job,), offer.user), context.now())
    context.live.nudge()
    if made.job is None:
        raise Superseded(f"run {launch.run} was given up since", mend="ask for it again")
    return made


def _spec(launch: Launch, offer: PeerOffer, kind: str) -> JobSpec:
    """The job that a run becomes: bound to the offered pool, and tried once, for it is its sender's
    to try again."""
    brought = {parcel.target: CONTENT + parcel.digest for parcel in launch.parcels}
    try:
        option = ResourceOption(
            cpu_milli=launch.per_task.cpu_milli,
            memory_mib=launch.memory_limit_mib,
            accelerators=dict(launch.per_task.accelerators),
            infra=f"{kind}/{offer.pool}",
            image_id=launch.image,
        )
        spec = JobSpec(
            run=launch.script,
            name=launch.name,
            setup=launch.setup,
            workdir=brought.pop("", launch.workdir),
            num_nodes=len(launch.nodes),
            resources=(option,),
            envs=launch.env,
            secrets=launch.secrets,
            file_mounts={**launch.file_mounts, **brought},
            outputs=launch.outputs,
            labels={"peer": offer.peer},
            queue=offer.queue,
            tenant=offer.tenant,
            priority=offer.priority,
            time_limit=launch.time_limit,
            retry=RetryPolicy(max_lost=0, max_preempted=0),
            checkpoint=launch.checkpoint,
            stdout=launch.stdout,
            stderr=launch.stderr,
        )
    except ValueError as error:
        raise InputError(str(error), where="launch") from None
    run = launch.run if launch.known_as is None else launch.known_as
    return replace(checked_spec(spec, "launch."), forwarded=Forwarded(run, launch.path))


async def end(context: ApiContext, peer: Peer, run: RunId, *, how: EndRun) -> None:
    """End a peer's run, or see to it that it never starts."""
    seen = await context.store.peers.one(peer.name, run)
    if how.only_waiting and (seen is None or report(seen).started_at is not None):
        return
    ending = Ending.WITHDRAWN if how.only_waiting else Ending.CANCELLED
    asked = ForwardedRun(peer.name, run, PoolName(""), ending=ending)
    manner = {"signal": how.signal, "grace": str(how.grace)}
    command = Command("cancel", "", user_of(peer.name), manner)
    await context.store.peers.end(asked, command, context.now())
    context.live.nudge()


async def revoke(context: ApiContext, offer: PeerOffer, *, by: str, now: bool) -> tuple[str, ...]:
    """Take an offer back. What waits under it goes back to its sender; with ``now`` what runs, too.
    The runs that this ends."""
    peers = context.store.peers
    await peers.withdraw(offer.peer, offer.pool)
    _, seen = await peers.mirrored(offer.peer, offer.pool, after=None, since=context.now())
    ended = []
    for each in seen:
        if not each.state.final and (now or each.state is JobState.PENDING):
            run = replace(each.forwarded, ending=Ending.REVOKED)
            await peers.end(run, Command("cancel", "", by), context.now())
            ended.append(run.run)
    context.live.nudge()
    return tuple(ended)
