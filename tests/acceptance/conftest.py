"""The real PostgreSQL server, Slurm, Kubernetes and Ray clusters, for tests that need them."""

import pytest

from tests.kubernetes import kubernetes_cluster, kueue_cluster
from tests.postgres import postgres_server, postgres_url
from tests.ray import ray_cluster
from tests.slurm import slurm_clusters

__all__ = [
    "kubernetes_cluster",
    "kueue_cluster",
    "postgres_server",
    "postgres_url",
    "ray_cluster",
    "slurm_clusters",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives the command line against a real server."""
    for item in items:
        if "acceptance" in item.path.parts:
            item.add_marker("acceptance")
