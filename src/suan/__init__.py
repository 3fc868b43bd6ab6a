"""suan (算): one queue over all your compute.

The public surface of the package is the typed SDK: ``suan.Client``, ``suan.AsyncClient`` and
``suan.JobSpec``. They load on first use, so that ``import suan`` costs nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "JobSpec", "__version__"]

if TYPE_CHECKING:
    from suan.client import AsyncClient, Client
    from suan.model.spec import JobSpec


def __getattr__(name: str) -> Any:
    if name in ("AsyncClient", "Client"):
        from suan import client

        return getattr(client, name)
    if name == "JobSpec":
        from suan.model.spec import JobSpec

        return JobSpec
    raise AttributeError(f"module 'suan' has no attribute {name!r}")
