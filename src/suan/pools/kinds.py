"""Every kind of pool, and where the code that declares and opens it lives.

Adding a kind is a folder of its own and one line here (docs/contributing/checklist-pool.md).
"""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from suan.model.pool import Pool
from suan.pools.declaration import PoolDeclaration
from suan.pools.fields import Fields

KINDS: dict[str, str] = {
    "kubernetes": "suan.pools.kubernetes.kind:KubernetesKind",
    "local": "suan.pools.local.kind:LocalKind",
    "peer": "suan.pools.peer.kind:PeerKind",
    "ray": "suan.pools.ray.kind:RayKind",
    "slurm": "suan.pools.slurm.kind:SlurmKind",
}


class Kind(Protocol):
    """What a kind of pool gives to the table."""

    def declare(self, fields: Fields, *, home: Path, where: str) -> PoolDeclaration:
        """Read a ``pools.yaml`` entry of this kind; its caller refuses the fields left unread.

        Raises:
            InputError: with ``file:line``.
        """
        ...

    def open(self, declaration: PoolDeclaration, *, home: Path) -> Pool:
        """Open a declared pool; what it keeps on disk lies under ``home``."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A pool that can try what a job will need, beyond being observed."""

    async def check(self) -> list[str]:
        """What there is, in words, one line each.

        Raises:
            PoolError: what is wrong, and how to mend it.
        """
        ...


def kind(name: str) -> Kind:
    """The code of one kind, loaded now."""
    module, _, attribute = KINDS[name].partition(":")
    return cast("Kind", getattr(import_module(module), attribute)())
