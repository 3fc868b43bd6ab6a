"""What the API is given: a store, a live loop, settings, a clock and a source of random bytes."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from suan.api.auth import Gate
from suan.api.loopback import is_loopback
from suan.api.metrics import HttpMetrics
from suan.api.peering import PeerGate
from suan.api.queues import QueueBook
from suan.content.fetching import Fetcher
from suan.content.kept import Kept
from suan.model.live import Live
from suan.model.store import Store
from suan.model.units import Instant


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """How the API behaves. ``allowed_hosts`` are further names this machine is asked by."""

    bind_host: str = "127.0.0.1"
    require_tokens: bool = False
    version: str = "0.0.0"
    started_at: Instant = 0
    policy: str = ""  # what this server leads by, where it leads
    allowed_hosts: tuple[str, ...] = ()
    place: str = ""  # told to clients, for them to know whether they see the same files

    @property
    def tokens_required(self) -> bool:
        """Tokens are needed wherever anything but this machine could ask."""
        return self.require_tokens or not is_loopback(self.bind_host)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the API needs from outside, made by the composition root."""

    store: Store
    live: Live
    clock: Callable[[], Instant]
    content: Kept
    fetcher: Fetcher
    settings: ApiSettings = ApiSettings()
    random_bytes: Callable[[int], bytes] = secrets.token_bytes


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The services, and what the API itself keeps between requests."""

    services: Services
    gate: Gate
    queues: QueueBook
    peers: PeerGate
    metrics: HttpMetrics = field(default_factory=HttpMetrics)

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def content(self) -> Kept:
        return self.services.content

    @property
    def fetcher(self) -> Fetcher:
        return self.services.fetcher

    @property
    def live(self) -> Live:
        return self.services.live

    def now(self) -> Instant:
        """The wall clock, in microseconds."""
        return self.services.clock()


def context_of(request: Request) -> ApiContext:
    """The context of the application that serves this request."""
    context: ApiContext = request.app.state.context
    return context
