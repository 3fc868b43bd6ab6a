"""The real systems that these tests talk to."""

from tests.kubernetes import kubernetes_cluster

__all__ = ["kubernetes_cluster"]
