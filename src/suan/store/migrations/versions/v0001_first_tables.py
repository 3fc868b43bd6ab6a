"""The first tables.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _specs()
    _spec_secrets()
    _spec_labels()
    _jobs()
    _jobs_indexes()
    _submission_keys()
    _runs()
    _commands()
    _feed()
    _leases()
    _journal()
    _drained_pools()
    _queues()
    _tokens()


def _specs() -> None:
    op.create_table(
        "specs",
        sa.Column(
            "id",
            Serial,
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _spec_secrets() -> None:
    op.create_table(
        "spec_secrets",
        sa.Column(
            "spec_id",
            Serial,
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["spec_id"],
            ["specs.id"],
        ),
        sa.PrimaryKeyConstraint("spec_id"),
    )


def _spec_labels() -> None:
    op.create_table(
        "spec_labels",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "spec_id",
            Serial,
            autoincrement=False,
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["spec_id"],
            ["specs.id"],
        ),
        sa.PrimaryKeyConstraint("key", "value", "spec_id"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column(
            "seq",
            Serial,
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("spec_id", Serial, nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("array_id", sa.Text(), nullable=True),
        sa.Column("array_index", sa.BigInteger(), nullable=True),
        sa.Column("params", sa.Text(), nullable=True),
        sa.Column("after_jobs", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cancel_requested", sa.SmallInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("pool", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("taken", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["spec_id"],
            ["specs.id"],
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sqlite_autoincrement=True,
    )


def _jobs_indexes() -> None:
    op.create_index(
        "ix_jobs_array",
        "jobs",
        ["array_id", "seq"],
        unique=False,
        sqlite_where=sa.text("array_id IS NOT NULL"),
        postgresql_where=sa.text("array_id IS NOT NULL"),
    )
    op.create_index("ix_jobs_name", "jobs", ["name", "seq"], unique=False)
    op.create_index("ix_jobs_queue", "jobs", ["queue", "state", "seq"], unique=False)
    op.create_index("ix_jobs_spec", "jobs", ["spec_id", "seq"], unique=False)
    op.create_index("ix_jobs_state", "jobs", ["state", "seq"], unique=False)
    op.create_index("ix_jobs_tenant", "jobs", ["tenant", "state", "seq"], unique=False)
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'running')"),
        postgresql_where=sa.text("state IN ('pending', 'running')"),
    )
    op.create_index(
        "ix_jobs_untaken",
        "jobs",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("taken = 0"),
        postgresql_where=sa.text("taken = 0"),
    )
    op.create_index("ix_jobs_user", "jobs", ["user_name", "state", "seq"], unique=False)


def _submission_keys() -> None:
    op.create_table(
        "submission_keys",
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("jobs", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_name", "key"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("nodes", sa.Text(), nullable=False),
        sa.Column("per_task", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("option", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("bill", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_runs_job", "runs", ["job", "attempt"], unique=False)
    op.create_index(
        "ix_runs_unended",
        "runs",
        ["placed_at", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('placed', 'started')"),
        postgresql_where=sa.text("state IN ('placed', 'started')"),
    )


def _commands() -> None:
    op.create_table(
        "commands",
        sa.Column(
            "number",
            Serial,
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("taken", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_commands_untaken",
        "commands",
        ["number"],
        unique=False,
        sqlite_where=sa.text("taken = 0"),
        postgresql_where=sa.text("taken = 0"),
    )


def _feed() -> None:
    op.create_table(
        "feed",
        sa.Column(
            "id",
            Serial,
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=True),
        sa.Column("run", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column(
            "number",
            Serial,
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("now", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False),
        sa.Column("decision_limit", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(
        "ix_journal_terms",
        "journal",
        ["number"],
        unique=False,
        sqlite_where=sa.text("kind = 'term'"),
        postgresql_where=sa.text("kind = 'term'"),
    )


def _drained_pools() -> None:
    op.create_table(
        "drained_pools",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pool"),
    )


def _queues() -> None:
    op.create_table(
        "queues",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("discipline", sa.Text(), nullable=False),
        sa.Column("is_open", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
