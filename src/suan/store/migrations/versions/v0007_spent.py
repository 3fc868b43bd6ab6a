"""What users have used is kept by the hour, beginning with the runs of the last month.

Revision ID: 0007
"""

import json
from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_HOUR = 3_600_000_000
_KEPT = 31 * 24 * _HOUR
_jobs = sa.table("jobs", sa.column("id"), sa.column("user_name"))
_runs = sa.table("runs", *map(sa.column, ("job", "started_at", "ended_at", "bill")))


def upgrade() -> None:
    spent = op.create_table(
        "spent",
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.Column("money", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_name", "at"),
    )
    op.create_index("ix_spent_at", "spent", ["at"], unique=False)
    rows = _before(op.get_bind())
    if rows:
        op.bulk_insert(spent, rows)


def _before(connection: sa.Connection) -> list[dict[str, object]]:
    """What was used lately, by user and hour."""
    past = (_runs.c.started_at.is_not(None), _runs.c.ended_at.is_not(None))
    newest = connection.scalar(sa.select(sa.func.max(_runs.c.ended_at)).where(*past)) or 0
    query = (
        sa.select(_jobs.c.user_name, _runs.c.ended_at, _runs.c.bill)
        .join(_jobs, _jobs.c.id == _runs.c.job)
        .where(*past, _runs.c.bill.is_not(None), _runs.c.ended_at > newest - _KEPT)
    )
    device_ms: Counter[tuple[str, int]] = Counter()
    money: Counter[tuple[str, int]] = Counter()
    for user, ended_at, text in connection.execute(query):
        bill, hour = json.loads(text), (user, ended_at // _HOUR * _HOUR)
        device_ms[hour] += bill.get("accelerator_ms", 0) or bill.get("cpu_ms", 0)
        money[hour] += bill.get("money", 0)
    return [
        {"user_name": user, "at": at, "device_ms": used, "money": money[user, at]}
        for (user, at), used in device_ms.items()
    ]
