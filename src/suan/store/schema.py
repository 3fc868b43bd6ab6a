"""The tables, as the newest migration leaves them. A test compares them with the migrations.

Nested values are JSON text; a journal entry's events are compressed (``suan.store.codec``).
``jobs.taken`` is the leader's inbox: a flag with a partial index, so that nothing depends on the
order in which transactions of several servers commit.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    text,
)

REVISION = "0010"  # of the newest migration

# The conditions of the partial indexes, word for word: a planner uses them only for these words.
UNTAKEN = "taken = 0"
UNFINISHED = "state IN ('pending', 'running')"
UNENDED = "state IN ('placed', 'started')"
PAST = "started_at IS NOT NULL AND ended_at IS NOT NULL"

metadata = MetaData()
Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys itself


def _partial(name: str, condition: str, *columns: str) -> Index:
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


specs = Table(
    "specs",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)

spec_secrets = Table(
    "spec_secrets",
    metadata,
    Column("spec_id", Serial, ForeignKey("specs.id"), primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)

spec_labels = Table(
    "spec_labels",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("spec_id", Serial, ForeignKey("specs.id"), primary_key=True, autoincrement=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("spec_id", Serial, ForeignKey("specs.id"), nullable=False),
    Column("user_name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    Column("array_id", Text),
    Column("array_index", BigInteger),
    Column("params", Text),
    Column("after_jobs", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("cancel_requested", SmallInteger, nullable=False, server_default=text("0")),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("pool", Text),
    Column("exit_code", BigInteger),
    Column("detail", Text, nullable=False, server_default=text("''")),
    Column("nodes", Integer),
    Column("taken", SmallInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("id", name="uq_jobs_id"),
    _partial("ix_jobs_untaken", UNTAKEN, "seq"),
    _partial("ix_jobs_unfinished", UNFINISHED, "seq"),
    Index("ix_jobs_state", "state", "seq"),
    Index("ix_jobs_queue", "queue", "state", "seq"),
    Index("ix_jobs_user", "user_name", "state", "seq"),
    Index("ix_jobs_tenant", "tenant", "state", "seq"),
    Index("ix_jobs_name", "name", "seq"),
    _partial("ix_jobs_array", "array_id IS NOT NULL", "array_id", "seq"),
    Index("ix_jobs_spec", "spec_id", "seq"),
    sqlite_autoincrement=True,
)

submission_keys = Table(
    "submission_keys",
    metadata,
    Column("user_name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("jobs", Text, nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("pool", Text, nullable=False),
    Column("nodes", Text, nullable=False),
    Column("per_task", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("ref", Text),
    Column("outcome", Text),
    Column("option", Integer, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("bill", Text),
    Column("stop", Text),
    Column("hurries", SmallInteger, nullable=False, server_default=text("0")),
    Column("usage", Text),
    Index("ix_runs_job", "job", "attempt"),
    _partial("ix_runs_unended", UNENDED, "placed_at", "id"),
    _partial("ix_runs_past", PAST, "ended_at", "id"),
)

commands = Table(
    "commands",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("args", Text, nullable=False),
    Column("taken", SmallInteger, nullable=False, server_default=text("0")),
    _partial("ix_commands_untaken", UNTAKEN, "number"),
    sqlite_autoincrement=True,
)

feed = Table(
    "feed",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("job", Text),
    Column("run", Text),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("now", BigInteger, nullable=False),
    Column("events", LargeBinary, nullable=False),
    Column("decision_limit", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    _partial("ix_journal_terms", "kind = 'term'", "number"),
)

drained_pools = Table(
    "drained_pools",
    metadata,
    Column("pool", Text, primary_key=True),
)

queues = Table(
    "queues",
    metadata,
    Column("name", Text, primary_key=True),
    Column("weight", Integer, nullable=False),
    Column("discipline", Text, nullable=False),
    Column("is_open", SmallInteger, nullable=False),
)

quotas = Table(
    "quotas",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

tenant_weights = Table(
    "tenant_weights",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

tenant_quotas = Table(
    "tenant_quotas",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

user_limits = Table(
    "user_limits",
    metadata,
    Column("user_name", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

spent = Table(  # by runs that have ended, in the hour that begins at ``at``
    "spent",
    metadata,
    Column("user_name", Text, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("device_ms", BigInteger, nullable=False),
    Column("money", BigInteger, nullable=False),
    Index("ix_spent_at", "at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("digest", name="uq_tokens_digest"),
)

platform = Table(
    "platform",
    metadata,
    Column("id", Text, primary_key=True),  # one row: what other platforms know this one by
)

peer_offers = Table(
    "peer_offers",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("pool", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

forwarded_runs = Table(
    "forwarded_runs",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("pool", Text, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("job", Text),
    Column("ending", Text, nullable=False),
    Column("nodes", Text, nullable=False),
    Column("per_task", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Index("ix_forwarded_runs_job", "job"),
)

key: BindParameter[Any] = bindparam("key")  # names the row in an UPDATE or DELETE of many
unfinished = text(UNFINISHED)
