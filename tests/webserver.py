"""A web server of files in memory, which counts what it gives and can break off."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """``files`` by path, each with an ETag of its own. ``breaks_after`` bytes of a body, once."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)  # by path, to where
    given: int = 0
    asked: list[str] = field(default_factory=list)
    breaks_after: int | None = None
    ranges: bool = True
    tags: bool = True


@contextmanager
def web() -> Iterator[Web]:
    """One that answers on loopback."""
    served = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            served.asked.append(f"{self.command} {self.path}")
            if (elsewhere := served.moved.get(self.path)) is not None:
                self.send_response(302)
                self.send_header("Location", elsewhere)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = served.files.get(self.path.partition("?")[0])
            if data is None:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, asked = 0, self.headers.get("Range")
            if asked and served.ranges and self.headers.get("If-Range") == _tag(data):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            if served.tags:
                self.send_header("ETag", _tag(data))
            self.end_headers()
            if body:
                self._give(data[start:])

        def _give(self, data: bytes) -> None:
            if served.breaks_after is not None:
                data, served.breaks_after = data[: served.breaks_after], None
                self.close_connection = True
            served.given += len(data)
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its signature
            """Nothing is written."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


def _tag(data: bytes) -> str:
    return f'"{hash(data):x}-{len(data)}"'
