"""Another owner's suan for tests: a real server in a process of its own, with a pool behind it.

Import ``peer_platform`` into a folder's ``conftest.py``; each test asks it for an offer of its own.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import RunningServer, server
from tests.waiting import until

POOLS = """pools:
- name: lab
  nodes: [{count: 3, cpus: 64, memory: 512GB, accelerators: {H100: 8}}]
  prices: {currency: CNY, cpu_hour: 1, accelerator_hour: {H100: 20}}
"""


@dataclass
class Owner:
    """Another owner, and his running server."""

    running: RunningServer
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        return self.running.url

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """What the owner himself asks of his server."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as http:
            answer = http.request(method, path, **more)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def offers(self, peer: str, pool: str = "lab", **what: Any) -> dict[str, Any]:
        """Offer a peer a part of a pool."""
        found: dict[str, Any] = self.ask("PUT", f"/v1/peers/{peer}/offers/{pool}", json=what)
        return found

    def new_peer(self, pool: str = "lab", **what: Any) -> tuple[str, str, str]:
        """A peer that is known to nobody yet: its name, token and secret."""
        name = f"peer-{os.getpid()}-{next(self.numbers)}"
        made = self.offers(name, pool, **what)
        return name, made["token"], made["secret"]


@contextmanager
def owner(home: Path, pools: str = POOLS, **environ: str) -> Iterator[Owner]:
    """An owner's server, stopped at the end."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "pools.yaml").write_text(pools)
    with server(home, environ={"SUAN_FORKSERVER_IDLE_S": "1", **environ}) as running:
        found = Owner(running)
        until(lambda: found.ask("GET", "/v1/server")["leading"], 60, what="the owner's leader")
        yield found


@pytest.fixture(scope="session")
def peer_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """One for a whole session of a worker."""
    with owner(tmp_path_factory.mktemp("owner")) as found:
        yield found


def declared(name: str, url: str, token: str, secret_file: Path, *more: str) -> str:
    """The entry of ``pools.yaml`` by which another platform has the offer as a pool."""
    lines = (
        f"- name: {name}",
        "kind: peer",
        f"url: {url}",
        f"token: {token}",
        f"secret_file: {secret_file}",
        *more,
    )
    return "\n  ".join(lines) + "\n"


def keep_secret(path: Path, secret: str) -> Path:
    """The file of a secret, for its owner alone."""
    path.touch(0o600)
    path.write_text(secret + "\n")
    return path
