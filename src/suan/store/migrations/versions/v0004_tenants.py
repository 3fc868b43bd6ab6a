"""Tenants have weights and quotas, where somebody has set them.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for name in ("tenant_weights", "tenant_quotas"):
        op.create_table(
            name,
            sa.Column("tenant", sa.Text(), nullable=False),
            sa.Column("body", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("tenant"),
        )
