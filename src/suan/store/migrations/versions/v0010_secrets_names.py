"""What a job's secrets are called, in its spec; only jobs that have some need theirs read.

Revision ID: 0010
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    connection = op.get_bind()
    specs = sa.table("specs", sa.column("id"), sa.column("body"))
    kept = sa.table("spec_secrets", sa.column("spec_id"), sa.column("body"))
    both = sa.select(specs.c.id, specs.c.body, kept.c.body).where(specs.c.id == kept.c.spec_id)
    for number, text, secrets in connection.execute(both).all():
        spec = {**json.loads(text), "secrets": dict.fromkeys(json.loads(secrets), "")}
        put = sa.update(specs).where(specs.c.id == number).values(body=json.dumps(spec))
        connection.execute(put)
