"""A line that breaks: a proxy before a server, which counts what goes through and cuts it off."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Line:
    """``sent`` counts the bytes towards the server, ``given`` those from it. With ``breaks_every``
    each connection is cut off after so many of either, ``breaks`` times in all. ``hold`` names one
    of the two counts and a number at which the line stands still, once, until it is let ``go``.
    """

    target: tuple[str, int]
    listener: socket.socket
    sent: int = 0
    given: int = 0
    breaks_every: int | None = None
    breaks: int = 0
    broken: int = 0
    hold: tuple[str, int] | None = None
    held: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
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
            back = threading.Thread(target=self._pump, args=(far, near, "given"), daemon=True)
            back.start()
            self._pump(near, far, "sent")
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket, counted: str) -> None:
        carried = 0
        with suppress(OSError):
            while data := source.recv(65536):
                carried += len(data)
                if self._cuts(len(data), carried, counted):
                    source.shutdown(socket.SHUT_RDWR)
                    target.shutdown(socket.SHUT_RDWR)
                    return
                if self.hold is not None and getattr(self, self.hold[0]) >= self.hold[1]:
                    self.held.set()
                    self.go.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _cuts(self, more: int, carried: int, counted: str) -> bool:
        with self._lock:
            setattr(self, counted, getattr(self, counted) + more)
            due = self.breaks_every is not None and carried >= self.breaks_every
            cut = due and self.broken < self.breaks
            self.broken += cut
            return cut


@contextmanager
def line_to(host: str, port: int) -> Iterator[Line]:
    """A line to a server, at an address of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line((host, port), listener)
        threading.Thread(target=line.accept, daemon=True).start()
        yield line
        line.go.set()
        listener.shutdown(socket.SHUT_RDWR)
