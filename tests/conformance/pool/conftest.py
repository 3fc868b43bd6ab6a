"""The suite runs once for each kind of pool in ``trial.KINDS``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.pool.trial import KINDS, Kind, Trial
from tests.kubernetes import kubernetes_cluster, kueue_cluster
from tests.peers import peer_platform
from tests.ray import ray_cluster
from tests.slurm import slurm_clusters, slurm_rest
from tests.ssh import ssh_login

__all__ = [
    "kubernetes_cluster",
    "kueue_cluster",
    "peer_platform",
    "ray_cluster",
    "slurm_clusters",
    "slurm_rest",
    "ssh_login",
]


@pytest.fixture(autouse=True)
def short_lived_fork_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork server ends a second after its last user, so that a test session leaves none."""
    monkeypatch.setenv("SUAN_FORKSERVER_IDLE_S", "1")


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    of_kind = KINDS[request.param]
    given = request.getfixturevalue(of_kind.needs) if of_kind.needs else None
    return of_kind(tmp_path, given)


@pytest.fixture
async def trial(kind: Kind) -> AsyncIterator[Trial]:
    async with kind.trial() as trial:
        yield trial
