"""Devices by vendor: the names under which tools, frameworks and Kubernetes know them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from suan.facts.accelerators import accelerator
from suan.facts.reading import names, read


@dataclass(frozen=True, slots=True)
class Device:
    """One vendor's names. ``container_visible_env`` is empty where the vendor has none.

    ``framework_visible_env`` is the variable that a framework inside a job obeys; the other one is
    read by the vendor's container runtime.
    """

    vendor: str
    container_visible_env: str
    framework_visible_env: str
    discovery_cli: str
    kubernetes_resources: tuple[str, ...]
    source: str


class _Devices(Mapping[str, Device]):
    """The table, read when it is first looked into."""

    def __getitem__(self, vendor: str) -> Device:
        return _table()[vendor]

    def __iter__(self) -> Iterator[str]:
        return iter(_table())

    def __len__(self) -> int:
        return len(_table())


DEVICES: Mapping[str, Device] = _Devices()
"""By vendor, in the table's order."""


def vendor_of(model: str) -> str | None:
    """Who makes a model of accelerator; ``None`` if it is not in the table."""
    known = accelerator(model)
    return known.vendor if known else None


@cache
def _table() -> dict[str, Device]:
    return {
        row["vendor"]: Device(
            vendor=row["vendor"],
            container_visible_env=row["container_visible_env"],
            framework_visible_env=row["framework_visible_env"],
            discovery_cli=row["discovery_cli"],
            kubernetes_resources=names(row["kubernetes_resources"]),
            source=row["source"],
        )
        for row in read("devices")
    }
