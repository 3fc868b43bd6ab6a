"""The values that travel between two platforms, as JSON, and the rules of a forwarded job's way.

Within one version a field may be added with a default; both ends ignore those they do not know.
"""

from dataclasses import dataclass

from suan.model.offer import NodeStatus, Terms
from suan.model.pool import Launch, RunReport

VERSION = 1
VERSION_HEADER = "suan-peer-version"
HOP_LIMIT = 3  # platforms that a job may have been through when it comes
END_HEADER = "suan-log-end"  # "1": the run is over, and nothing will follow
NEXT_HEADER = "suan-next-offset"


@dataclass(frozen=True, slots=True)
class Forward:
    """A run to be started. ``turn`` is the one that was told when the run was last asked for."""

    launch: Launch
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """Whether a run is here (``ref`` is its id then), and which turn a launch must name."""

    ref: str | None
    turn: int = 0
    report: RunReport | None = None
    waiting: str = ""  # why it has not started, in the owner's words


@dataclass(frozen=True, slots=True)
class EndRun:
    """A run is to end: its processes get ``signal`` and, after ``grace`` microseconds, SIGKILL.
    With ``only_waiting`` it is taken back because it has not started."""

    signal: str = "SIGTERM"
    grace: int = 0
    only_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What an offer comes to now, and what its runs do, since a cursor. ``nodes`` of ``None``:
    capacity and terms have not changed. ``withheld`` says why there are none."""

    cursor: str
    nodes: tuple[NodeStatus, ...] | None = None
    terms: Terms = Terms()
    frameworks: tuple[str, ...] = ()
    reports: tuple[RunReport, ...] = ()
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class OfferSaid:
    """One offer, in words for people."""

    pool: str
    open: bool
    said: str


@dataclass(frozen=True, slots=True)
class Platform:
    """Who answers, and what it offers to whom asks."""

    platform: str
    suan: str
    version: int
    offers: tuple[OfferSaid, ...] = ()


def way_refused(path: tuple[str, ...], platform: str) -> str:
    """Why a job that has been through ``path`` may not come to ``platform``; empty if it may."""
    if platform in path:
        went = " → ".join((*path, platform))
        return f"the job has been here: it went {went}, and would go round in a circle"
    if len(path) > HOP_LIMIT:
        return f"the job has been through {len(path)} platforms, and {HOP_LIMIT} is the most"
    return ""


def version_refused(theirs: str | None) -> str:
    """What to do about a request of another version of the protocol; empty if it is ours."""
    if theirs == str(VERSION):
        return ""
    if theirs is None or not theirs.isdecimal():
        return f"who asks says no version of the peer protocol; who answers speaks {VERSION}"
    elder = "asks" if int(theirs) < VERSION else "answers"
    return (
        f"who asks speaks version {theirs} of the peer protocol, who answers {VERSION}:"
        f" upgrade suan where it {elder}"
    )
