"""A line that breaks: a proxy before a server, which counts what goes through and cuts it off."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Line:
    """``sent`` counts the bytes towards the server. With ``breaks_every`` each connection is cut
    off after so many of them, ``breaks`` times in all."""

    target: tuple[str, int]
    listener: socket.socket
    sent: int = 0
    breaks_every: int | None = None
    breaks: int = 0
    broken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.listener.getsockname())

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self.target) as far:
            threading.Thread(target=_pump, args=(far, near), daemon=True).start()
            carried = 0
            while data := near.recv(65536):
                carried += len(data)
                with self._lock:
                    self.sent += len(data)
                    cut = self.breaks_every is not None and carried >= self.breaks_every
                    if cut and self.broken < self.breaks:
                        self.broken += 1
                        near.shutdown(socket.SHUT_RDWR)
                        return
                far.sendall(data)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def line_to(host: str, port: int) -> Iterator[Line]:
    """A line to a server, at an address of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line((host, port), listener)
        threading.Thread(target=line.accept, daemon=True).start()
        yield line
        listener.shutdown(socket.SHUT_RDWR)
