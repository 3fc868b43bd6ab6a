"""Runs remember that they were to end, and ended ones are found by when they did.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_PAST = sa.text("started_at IS NOT NULL AND ended_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("runs", sa.Column("stop", sa.Text(), nullable=True))
    op.create_index(
        "ix_runs_past",
        "runs",
        ["ended_at", "id"],
        unique=False,
        sqlite_where=_PAST,
        postgresql_where=_PAST,
    )
