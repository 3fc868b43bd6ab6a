"""Runs remember that they began just in time for their jobs' deadlines.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    column = sa.Column("hurries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("runs", column)
