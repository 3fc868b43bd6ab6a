"""Other owners' platforms: what is offered to them, and the runs that they forward here.

Revision ID: 0009
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    platform = op.create_table("platform", sa.Column("id", sa.Text(), primary_key=True))
    op.bulk_insert(platform, [{"id": secrets.token_hex(8)}])
    op.create_table(
        "peer_offers",
        sa.Column("peer", sa.Text(), primary_key=True),
        sa.Column("pool", sa.Text(), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_table(
        "forwarded_runs",
        sa.Column("peer", sa.Text(), primary_key=True),
        sa.Column("run", sa.Text(), primary_key=True),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.Text()),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.Column("nodes", sa.Text(), nullable=False),
        sa.Column("per_task", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
    )
    op.create_index("ix_forwarded_runs_job", "forwarded_runs", ["job"])
    op.add_column("runs", sa.Column("usage", sa.Text(), nullable=True))
