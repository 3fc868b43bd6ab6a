"""The live loop: gather → apply → decide → record → carry out.

Contract: one leader acts at a time, and nothing is done that is not recorded first. A cycle takes
what has happened (submissions, commands, the pools' reports), tells the scheduler, records the
events, the plan's digest and every effect in one transaction, and only then carries the plan out,
in the background. Whatever is killed wherever, a job is neither lost nor run twice: runs are
launched idempotently by their recorded id, and an unknown outcome is settled by ``find`` first.

Not for: deciding (``suan.core``), speaking to a kind of pool (``suan.pools``), or answering
requests (``suan.api``, which sees this package only as ``suan.model.live.Live``).
"""

from suan.control.clock import SteadyClock, wall_clock
from suan.control.controller import Controller, Works
from suan.control.feed import FEED_KINDS
from suan.control.metrics import ControlMetrics
from suan.control.replay import ReplayReport, replay
from suan.control.settings import ControlSettings

__all__ = [
    "FEED_KINDS",
    "ControlMetrics",
    "ControlSettings",
    "Controller",
    "ReplayReport",
    "SteadyClock",
    "Works",
    "replay",
    "wall_clock",
]
