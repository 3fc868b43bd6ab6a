"""Where jobs, runs and the journal are kept: SQLite by default, PostgreSQL by URL.

Contract: what ``open_store`` returns meets every protocol of ``suan.model.store`` on both engines,
with the same semantics: a write that has returned is durable, one writer is at work at a time,
and nothing but ``InputError`` and the tree of ``StoreError`` is raised. One writer thread commits
many small writes together; readers never wait for it.

Not for: decisions, clocks or ids (``now`` and ids are passed in), and not for anything that a
pool keeps (logs, a run's directory).
"""

from suan.model.store import Store

__all__ = ["open_store"]


async def open_store(url: str, *, create: bool = True) -> Store:
    """Open ``sqlite:///PATH`` or ``postgresql://…``, bringing its schema up to date.

    Without ``create`` a store that does not exist is a ``StoreUnavailable``.

    Raises:
        InputError: the URL is not one of these.
        StoreError: it cannot be opened; each kind says what, where, and how to mend it.
    """
    from suan.store.opening import open_sql_store  # SQLAlchemy is not free to import

    return await open_sql_store(url, create=create)
