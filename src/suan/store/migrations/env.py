"""Run by Alembic. The connection, and the transaction around everything, are the caller's."""

from alembic import context

from suan.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
