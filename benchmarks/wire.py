"""A line to a server that `chaos.py` cuts and holds up: TCP passed on, of any protocol."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

PIECE = 65536


class Wire:
    """Listens on a port of its own and passes on to ``target``, until it is closed. While ``cut``
    nobody is connected; while ``hold`` is held, everybody is and nothing comes through."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._broken = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> Callable[[], None]:
        """Break every connection and refuse new ones; how to mend it."""
        self._broken = True
        for each in tuple(self._open):
            _shut(each)
        return self._mended

    def hold(self) -> Callable[[], None]:
        """Let nothing more through; how to let it go on."""
        self._flows.clear()
        return self._flows.set

    def close(self) -> None:
        """Nobody is connected any more."""
        self.cut()
        self._flows.set()
        _shut(self._listener)
        self._listener.close()

    def _mended(self) -> None:
        self._broken = False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._broken:
                near.close()
                continue
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self.target) as far:
            self._open |= {near, far}
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join()
            self._open -= {near, far}

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                self._flows.wait()
                target.sendall(data)
        _shut(source)
        _shut(target)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
