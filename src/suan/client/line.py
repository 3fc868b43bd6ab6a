"""The blocking line to a server: sends, reads, waits and tries again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from suan.client import retry
from suan.client.bringing import Asking
from suan.client.decode import failure
from suan.client.discovery import Endpoint
from suan.client.errors import ServerUnreachable
from suan.client.follow import Followed
from suan.client.plain import broken
from suan.client.wire import Call, Sender, Stream, request
from suan.model.errors import SuanError

T = TypeVar("T")


class Line:
    """Makes calls to one server as one user."""

    def __init__(self, sender: Sender, endpoint: Endpoint, patience_s: float) -> None:
        self._sender = sender
        self._endpoint = endpoint
        self._patience_s = patience_s

    def close(self) -> None:
        self._sender.close()

    def do(self, call: Call[T]) -> T:
        """Make a call, again where that is safe and may help."""
        attempt = 0
        while True:
            try:
                return call.decode(self._sender.send(request(call, self._endpoint)))
            except SuanError as error:
                pause = retry.pause(call, error, attempt)
                if pause is None:
                    raise
            time.sleep(pause)
            attempt += 1

    def patiently(self, call: Call[T]) -> T:
        """Make a call, outlasting a restart of the server."""
        patience = retry.Patience(self._patience_s)
        while True:
            try:
                return self.do(call)
            except SuanError as error:
                pause = patience.pause(error, time.monotonic())
            time.sleep(pause)

    def asked(self, asking: Asking[T]) -> T:
        """Make the calls that it wants, outlasting a restart of the server; gives its result."""
        answer: Any = None
        make = self.do  # the first: whether there is a server is told at once
        while True:
            try:
                call = asking.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result
            answer, make = make(call), self.patiently

    @contextmanager
    def open(self, call: Call[None]) -> Iterator[Stream]:
        """Make a call whose answer is read piece by piece."""
        with self._sender.stream(request(call, self._endpoint)) as stream:
            if stream.status >= 300:
                raise failure(stream.status, stream.headers, b"".join(stream.chunks))
            yield stream

    def followed(self, source: Followed[T]) -> Iterator[T]:
        """A stream that goes on where it was when its connection breaks."""
        patience = retry.Patience(self._patience_s)
        while True:
            try:
                with self.open(source.call) as stream:
                    patience.opened(time.monotonic())
                    for chunk in stream.chunks:
                        patience.renew()
                        yield from source.take(chunk)
                if not source.endless:
                    return
                ended: SuanError = stream_ended(self._endpoint)
            except SuanError as error:
                ended = error
            time.sleep(patience.pause(ended, time.monotonic()))


def stream_ended(endpoint: Endpoint) -> ServerUnreachable:
    """An endless stream ended as if it were whole: its server goes away."""
    return broken(endpoint.url, EOFError("the stream ended"))
