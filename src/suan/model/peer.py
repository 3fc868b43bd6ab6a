"""Peers: what an owner offers to other owners, and what these have forwarded to him.

A peer is another owner's platform. What it forwards becomes a job here, under a tenant of the
offer's own, and there it is a run: so both ends speak of runs by the sender's ids.
"""

from dataclasses import dataclass
from enum import StrEnum

from suan.model.job import JobState, Run
from suan.model.offer import Terms
from suan.model.pool import Usage
from suan.model.quota import Amounts
from suan.model.resources import Resources
from suan.model.units import Instant, JobId, Money, NodeName, PoolName, RunId, Thousandths

PEER_SCOPE = "peer"  # of a token that signs requests and may do nothing else


@dataclass(frozen=True, slots=True)
class Prices:
    """What an offer costs, per processor-hour, accelerator-hour of each model, and kWh."""

    currency: str = "CNY"
    cpu_hour: Money = 0
    accelerator_hour: tuple[tuple[str, Money], ...] = ()  # sorted by model
    energy_kwh: Money = 0


@dataclass(frozen=True, slots=True)
class PeerOffer:
    """What of one pool a peer may use: at most ``share_milli`` of what others leave free, never
    more than ``ceiling``, of each day only during ``hours`` (minutes after midnight UTC; none is
    always), and only from ``begin`` to ``end``. Without ``prices`` the pool's own hold."""

    peer: str
    pool: PoolName
    ceiling: Amounts = ()
    share_milli: Thousandths = 1000
    hours: tuple[tuple[int, int], ...] = ()
    begin: Instant | None = None
    end: Instant | None = None
    prices: Prices | None = None
    queue: str = "default"
    priority: int = 0
    made_at: Instant = 0
    by: str = ""

    @property
    def tenant(self) -> str:
        """Whom its jobs count for; an operator may give it, or those above it, quotas."""
        return f"peers/{self.peer}/{self.pool}"

    @property
    def user(self) -> str:
        """Whose its jobs are."""
        return user_of(self.peer)


def user_of(peer: str) -> str:
    """The user that a peer's jobs belong to."""
    return f"peer.{peer}"


class Ending(StrEnum):
    """Who wants a forwarded run to end, if anybody."""

    NOBODY = ""
    WITHDRAWN = "withdrawn"  # the peer: it has waited too long and is to go elsewhere
    CANCELLED = "cancelled"  # the peer: its job was cancelled or preempted there
    REVOKED = "revoked"  # the owner took the offer back


@dataclass(frozen=True, slots=True)
class ForwardedRun:
    """A run of a peer's, as far as it is known here. ``job`` is ``None`` while it is only asked
    for: ``turn`` counts how often the peer was told that it is not here, and a launch of an earlier
    turn comes too late. ``nodes`` are those of the offer that the peer put its tasks on, and
    ``terms`` what held when it came."""

    peer: str
    run: RunId
    pool: PoolName
    turn: int = 0
    job: JobId | None = None
    nodes: tuple[NodeName, ...] = ()
    per_task: Resources = Resources()
    terms: Terms = Terms()
    ending: Ending = Ending.NOBODY


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A forwarded run with what became of its job: ``last`` is that job's last run here."""

    forwarded: ForwardedRun
    state: JobState
    detail: str = ""
    ended_at: Instant | None = None
    last: Run | None = None
    usage: Usage | None = None
