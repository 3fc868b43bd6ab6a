"""Which accelerator model a node's devices are: by the operator's word, by the node's labels, or by
the resource's own name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from suan.facts.accelerators import accelerator, canonical
from suan.facts.devices import DEVICES

# where device plugins and clouds write the model; the first label that a node has is believed
_LABELS: dict[str, tuple[str, ...]] = {
    "NVIDIA": ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator"),
    "AMD": ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
    "Huawei": ("node.kubernetes.io/npu.chip.name", "accelerator"),
    "Intel": ("gpu.intel.com/product",),
}
_SIZE = re.compile(r"(\d+)gi?b", re.IGNORECASE)


@dataclass(frozen=True, slots=False)
class Names:
    """``declared``: a resource, or a label's value, to a model. ``label``: one more label to look
    at, before the known ones."""

    declared: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None

    @cached_property
    def vendors(self) -> dict[str, str]:
        """Every resource that is an accelerator, and who makes it, as far as that is known."""
        known = {
            name: vendor for vendor, each in DEVICES.items() for name in each.kubernetes_resources
        }
        return {name: "" for name in self.declared if "/" in name} | known

    def model(self, resource: str, labels: Mapping[str, str]) -> str:
        """The model behind a resource on a node with these labels."""
        own = (self.label,) if self.label else ()
        for label in (*own, *_LABELS.get(self.vendors.get(resource, ""), ())):
            value = labels.get(label)
            if value:
                return canonical(self.declared.get(value) or known_as(value))
        if resource in self.declared:
            return canonical(self.declared[resource])
        kind = resource.rpartition("/")[2]
        return canonical(kind) if accelerator(kind) else f"UNTYPED-{kind.upper()}"


def known_as(product: str) -> str:
    """A product's name as the table of accelerators has it: ``NVIDIA-H100-80GB-HBM3`` is ``H100``,
    while a card with another memory than the table's is not taken for it."""
    words = re.split(r"[-_ ]+", product)
    for length in range(len(words), 0, -1):
        found = accelerator("-".join(words[:length]))
        sizes = _SIZE.findall("-".join(words[length:]))
        if found and (found.memory_gb is None or all(int(s) == found.memory_gb for s in sizes)):
            return found.model
    return product
