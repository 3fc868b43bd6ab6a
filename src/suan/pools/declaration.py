"""What an operator declared of a pool: a plain value."""

from dataclasses import dataclass, field

from suan.model.offer import NodeStatus, Offer
from suan.model.pool import Patience


@dataclass(frozen=True, slots=True)
class PoolDeclaration:
    """A pool as declared: what it offers, its nodes where they were declared, and the options
    that only its kind understands.

    ``nodes`` of ``None`` means that the pool finds them itself. ``where`` is the ``file:line`` of
    the declaration, empty for the pool that exists without one.
    """

    offer: Offer
    nodes: tuple[NodeStatus, ...] | None = None
    options: dict[str, str] = field(default_factory=dict)
    where: str = ""
    patience: Patience = Patience()

    @property
    def name(self) -> str:
        return self.offer.pool

    @property
    def kind(self) -> str:
        return self.offer.kind
