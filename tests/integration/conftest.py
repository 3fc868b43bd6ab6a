"""The real systems that these tests talk to."""

from tests.kubernetes import kubernetes_cluster
from tests.postgres import postgres_server

__all__ = ["kubernetes_cluster", "postgres_server"]
