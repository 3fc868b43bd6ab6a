"""The web server, stopped by signals in a way that lets the rest of the house stop too."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Web(uvicorn.Server):
    """uvicorn's server, less its habit of raising the signal again once it has stopped.

    That would end the process before the lease is given back and the store is closed.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal; a second one ends the process."""
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.remove_signal_handler(number)
        self.should_exit = True
