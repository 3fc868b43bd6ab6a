"""The table's entry for Kubernetes pools: reading a declaration, and opening one."""

from pathlib import Path

from suan.pools import terms
from suan.pools.declaration import PoolDeclaration
from suan.pools.fields import Fields
from suan.pools.kubernetes import options
from suan.pools.kubernetes.pool import KubernetesPool


class KubernetesKind:
    """Declares and opens Kubernetes pools."""

    def declare(self, fields: Fields, *, home: Path, where: str) -> PoolDeclaration:
        """Read an entry.

        Raises:
            InputError: with ``file:line``.
        """
        del home
        offer = terms.offered(fields, "kubernetes", KubernetesPool)
        return PoolDeclaration(offer=offer, options=options.read(fields), where=where)

    def open(self, declaration: PoolDeclaration, *, home: Path) -> KubernetesPool:
        """Open it; nothing is asked of the cluster before its first call. What it keeps of ended
        runs lies under ``home/pools/NAME``."""
        directory = home.resolve() / "pools" / declaration.name / "runs"
        told = options.options(declaration.name, declaration.options)
        return KubernetesPool(declaration.offer, told, directory)
