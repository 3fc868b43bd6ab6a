"""The exception tree.

SuanError
├── InputError              what the caller gave is wrong; says what, where, how to mend it
│   └── NotFound            no such job, pool, token, …
├── PoolError               a pool's fault, by what is known of the effect
│   ├── PoolUnavailable     not applied: retry later
│   ├── PoolRejected        refused for good: do not retry there
│   ├── PoolOutcomeUnknown  may or may not have been applied: find() first
│   └── PoolAuthError       not applied: credentials must be mended
├── StoreError              the store's fault; nothing unacknowledged was kept
│   ├── StoreUnavailable    busy, locked or unreachable: retry later
│   ├── StoreFull           no space is left
│   ├── StoreReadOnly
│   ├── StoreCorrupt
│   ├── StoreConflict       a compare-and-set lost, or a unique key is taken
│   ├── OverPendingLimit    the user would have more jobs waiting than he may
│   └── LeaseLost           another leader has taken over: stop at once
├── NotLeader               only the leader can answer; ``leader_url`` says who it is
└── InvariantViolation      a bug, with the job's story; never caught below the live loop
"""


class SuanError(Exception):
    """The base of every error that suan raises on purpose.

    ``code`` is stable and documented in ``docs/reference/errors.md``; ``mend`` says what to do.
    """

    code = "error"

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend


class InputError(SuanError):
    """What the caller gave is wrong. ``where`` is a field's path or a ``file:line``."""

    code = "invalid_input"

    def __init__(self, message: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(message, mend=mend)
        self.where = where


class NotFound(InputError):
    """What was named does not exist."""

    code = "not_found"


class PoolError(SuanError):
    """A pool's fault."""

    code = "pool_error"


class PoolUnavailable(PoolError):
    """The pool did not answer, and nothing was applied. Retry later."""

    code = "pool_unavailable"


class PoolRejected(PoolError):
    """The pool refused for good. Do not retry there."""

    code = "pool_rejected"


class PoolOutcomeUnknown(PoolError):
    """It may or may not have been applied. Ask ``find`` before anything else."""

    code = "pool_outcome_unknown"


class PoolAuthError(PoolError):
    """The pool did not accept our credentials, and nothing was applied."""

    code = "pool_auth"


class StoreError(SuanError):
    """The store's fault. What was not acknowledged was not kept."""

    code = "store_error"


class StoreUnavailable(StoreError):
    """Busy, locked or unreachable. Retry later."""

    code = "store_unavailable"


class StoreFull(StoreError):
    """No space is left where the store lives."""

    code = "store_full"


class StoreReadOnly(StoreError):
    """The store cannot be written."""

    code = "store_read_only"


class StoreCorrupt(StoreError):
    """The store's file is damaged, or is not a suan store."""

    code = "store_corrupt"


class StoreConflict(StoreError):
    """A compare-and-set lost, or a unique key is taken."""

    code = "conflict"


class OverPendingLimit(StoreError):
    """With these jobs their user would have more pending than he may; none was added."""

    code = "over_pending_limit"


class LeaseLost(StoreError):
    """Another leader has taken over; whatever was being recorded was not."""

    code = "lease_lost"


class NotLeader(SuanError):
    """Only the leader can answer. ``leader_url`` is where it serves, ``None`` if nobody leads.

    ``message`` stands in for the usual words where more is known.
    """

    code = "not_leader"

    def __init__(self, leader_url: str | None, *, message: str = "") -> None:
        usual = "no server leads at the moment"
        if leader_url:
            usual = f"only the leader can answer this, and it is {leader_url}"
        wait = "try again in a few seconds, when a leader has taken over; see /v1/health"
        super().__init__(message or usual, mend=f"ask {leader_url}" if leader_url else wait)
        self.leader_url = leader_url


class InvariantViolation(SuanError):
    """A bug in suan. The message carries the story of the job or pool it happened to."""

    code = "internal"
