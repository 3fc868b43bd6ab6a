"""A real sshd on the loopback for tests: started once for a whole run, shared by its workers.

Import ``ssh_login`` into a folder's ``conftest.py``. Where no sshd can be had the tests are skipped
and say why; with ``SUAN_REQUIRE_SSH=1``, as in CI, they fail instead.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.sharing import one_for_all, output

INFRA = Path(__file__).parents[1] / "infra" / "ssh"
START_SECONDS = 240.0  # apt-get may have to fetch it first


@pytest.fixture(scope="session")
def ssh_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration by which ``ssh -F`` enters as ``login``; see ``infra/ssh``."""
    with one_for_all(tmp_path_factory, "ssh", start=lambda at: str(up(at)), stop=down) as config:
        yield Path(config)


def up(directory: Path) -> Path:
    """Start it unless it runs; its configuration.

    Raises:
        NotHere: the script says why.
    """
    return Path(output(INFRA / "up", directory, what="sshd", seconds=START_SECONDS))


def down(directory: Path) -> None:
    """End it."""
    subprocess.run([INFRA / "down", directory], capture_output=True, check=False, timeout=60)


class Wire:
    """A line of TCP on its way to a port, which a test can cut. What goes towards the port while
    ``deaf`` is lost, and what comes back while ``mute``."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.deaf = self.mute = False
        self.lost = 0  # bytes

    def cut(self) -> None:
        """End every connection, and let what follows pass."""
        self.deaf = self.mute = False
        for writer in tuple(self._open):
            writer.transport.abort()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        """The line, on a port of its own, until the end of the block."""
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, ours}
        try:
            there = self._pass(reader, ours, lost=lambda: self.deaf)
            back = self._pass(theirs, writer, lost=lambda: self.mute)
            await asyncio.gather(there, back)
        finally:
            self._open -= {writer, ours}

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        lost: Callable[[], bool],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if lost():
                    self.lost += len(data)
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()
