"""A sender on the standard library alone: one connection for each request.

It is what the command line uses, because it is loaded in a fifth of the time httpx takes. It
keeps no connections and knows no proxies; ``suan.client.pooled`` does both.
"""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from suan.client.errors import ServerUnreachable
from suan.client.wire import Reply, Request, Stream

PIECE = 64 * 1024


class PlainSender:
    """Blocking, safe to share between threads (nothing is kept). ``timeout_s`` is for one wait."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def send(self, request: Request) -> Reply:
        with self.stream(request) as stream:
            return Reply(stream.status, stream.headers, b"".join(stream.chunks))

    @contextmanager
    def stream(self, request: Request) -> Iterator[Stream]:
        connection = self._connect(request.url)
        try:
            with _told(request.url, self._timeout_s):
                parts = urlsplit(request.url)
                target = f"{parts.path}?{parts.query}" if parts.query else parts.path
                headers = {**request.headers, "Connection": "close"}
                connection.request(request.method, target, request.content, headers)
                response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            yield Stream(response.status, found, self._chunks(response, request.url))
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing is kept."""

    def _connect(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        return kind(parts.hostname or "", parts.port, timeout=self._timeout_s)

    def _chunks(self, response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
        unsized = response.length is None and not response.chunked
        while True:
            with _told(url, self._timeout_s):
                piece = response.read1(PIECE)
                # read1 does not say that a body of stated length ended too soon; and where no
                # length is stated and nothing came, the headers themselves were cut off.
                if not piece and (response.length or unsized):
                    raise http.client.IncompleteRead(piece, response.length)
            if not piece:
                return
            unsized = False
            yield piece


@contextmanager
def _told(url: str, timeout_s: float) -> Iterator[None]:
    """Turn what the network raises into one exception that says what is known."""
    try:
        yield
    except ConnectionRefusedError as error:
        raise refused(url) from error
    except TimeoutError as error:
        raise timed_out(url, timeout_s) from error
    except socket.gaierror as error:
        raise unknown_host(url) from error
    except (OSError, http.client.HTTPException) as error:
        raise broken(url, error) from error


def refused(url: str) -> ServerUnreachable:
    return ServerUnreachable(
        f"no server listens at {origin(url)}",
        refused=True,
        mend="start one with `suan up`, or set SUAN_SERVER to the URL of one that runs",
    )


def timed_out(url: str, timeout_s: float) -> ServerUnreachable:
    return ServerUnreachable(
        f"the server at {origin(url)} did not answer within {timeout_s:g} s",
        mend="see whether it is overloaded or stuck: `suan doctor`",
    )


def unknown_host(url: str) -> ServerUnreachable:
    return ServerUnreachable(
        f"the host of {origin(url)} is not known", refused=True, mend="check the URL"
    )


def broken(url: str, error: Exception) -> ServerUnreachable:
    return ServerUnreachable(
        f"the connection to {origin(url)} broke: {str(error) or type(error).__name__}",
        mend="try again; if it goes on, `suan doctor`",
    )


def origin(url: str) -> str:
    """A URL's scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
