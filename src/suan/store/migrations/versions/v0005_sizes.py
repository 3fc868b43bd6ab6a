"""Jobs remember how many nodes their current or last run has.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("nodes", sa.Integer(), nullable=True))
