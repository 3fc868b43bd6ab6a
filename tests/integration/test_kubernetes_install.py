"""``infra/kubernetes/install``: what a cluster says to it."""

from pathlib import Path

from tests.kubernetes import INFRA, kubectl

INSTALL = INFRA / "install"


def test_a_cluster_takes_suan_and_its_postgresql(kubernetes_cluster: Path) -> None:
    kubectl(kubernetes_cluster, "apply", "-k", str(INSTALL / "pool"))
    said = kubectl(kubernetes_cluster, "apply", "--dry-run=server", "-k", str(INSTALL))
    created = {line.split()[0] for line in said.splitlines() if "created" in line}
    assert {"deployment.apps/suan", "service/suan", "statefulset.apps/postgres"} <= created
