"""The pod that keeps what jobs bring, bytes by their digest, and what they leave; over HTTP, for
who knows the word.

``GET /ready``                                      that it serves
``GET /content/DIGEST``                             bytes
``GET /left/RUN``                                   what a run has left
``GET /read/RUN/RANK/OFFSET/LIMIT/PATH``            a piece of it
``POST /missing``                                   of a list of digests, those not here whole
``POST /put/DIGEST/OFFSET/SIZE``                    a piece of bytes
``POST /leave/RUN/RANK/PART``                       a tar of a task's, with a word of that run's own
"""

# The oldest Python of an image sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH118, PTH123

import hashlib
import hmac
import json
import os
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from suan.content.cache import Broken, Cache, Full, Missing, long_ago
from suan.pools.kubernetes.files.leaving import Leavings, Wrong

DIRECTORY = "/content"
WORD, NAMED = "X-Suan-Word", "X-Suan-Named"
FULL, BROKEN, NO_SUCH = 507, 409, 410
_SWEEP_S = 3600.0


def word_of(word: str, run: str) -> str:
    """The word by which one run may leave files, and do nothing else."""
    return hmac.new(word.encode(), run.encode(), hashlib.sha256).hexdigest()


class Rest:
    """What is left of a request's body, as a file."""

    def __init__(self, file: Any, size: int) -> None:
        self._file = file
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes."""
        wanted = self.left if size < 0 else min(size, self.left)
        data = bytes(self._file.read(wanted))
        self.left -= len(data)
        return data


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    timeout = 120.0
    server: "Server"

    def do_GET(self) -> None:
        """Tell, or send."""
        self._meet(Rest(self.rfile, 0))

    def do_POST(self) -> None:
        """Take."""
        self._meet(Rest(self.rfile, int(self.headers.get("Content-Length", 0))))

    def log_message(self, *told: Any) -> None:
        """Says nothing: the pod's log would grow with each piece."""

    def _meet(self, body: Rest) -> None:
        what, *words = map(unquote, self.path.partition("?")[0].lstrip("/").split("/"))
        word = self.server.word if what != "leave" else word_of(self.server.word, words[0])
        told = self.headers.get(WORD, "")
        if not hmac.compare_digest(told.encode(), word.encode()):
            self._answer(403, b"that is not the word")
            return
        try:
            self._do(what, words, body)
        except (Broken, ValueError) as error:
            self._answer(BROKEN, str(error).encode())
        except (Wrong, Missing) as error:
            self._answer(NO_SUCH, str(error).encode())
        except Full as error:
            self._answer(FULL, str(error).encode())

    def _do(self, what: str, words: "list[str]", body: Rest) -> None:
        cache, left = self.server.cache, self.server.left
        if what == "content":
            self._send(words[0])
            return
        answer = {}  # type: Any
        if what == "missing":
            answer = cache.missing(json.loads(body.read().decode()))
        elif what == "put":
            digest, offset, size = words
            cache.put(digest, int(offset), body.read(), size=int(size))
        elif what == "leave":
            named = json.loads(self.headers.get(NAMED, "[]"))
            run, rank, part = words
            left.take((run, int(rank), part), body, named=named)
            body.read()
        elif what == "left":
            answer = left.listed(words[0])
        elif what == "read":
            run, rank, offset, limit, *path = words
            span = int(offset), int(limit)
            self._answer(200, left.read(run, int(rank), "/".join(path), span=span))
            return
        self.server.used_at = time.time()
        self._answer(200, json.dumps(answer).encode())

    def _send(self, digest: str) -> None:
        size = self.server.cache.size(digest)
        with open(self.server.cache.path(digest), "rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile, 1 << 20)

    def _answer(self, code: int, data: bytes) -> None:
        self.close_connection = code >= 400  # of what was sent, some may not have been read
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Serves one folder. ``keep_s``: how long what nobody uses stays, and the pod itself."""

    daemon_threads = True

    def __init__(self, address: "tuple[str, int]", directory: str, *, word: str, keep_s: float):
        super().__init__(address, Handler)
        self.cache = Cache(os.path.join(directory, "cache"))
        self.left = Leavings(os.path.join(directory, "left"))
        self.word = word
        self.keep_s = keep_s
        self.used_at = time.time()

    def tend(self) -> None:
        """Forget what was long unused; end if all was."""
        while time.time() - self.used_at < self.keep_s:
            time.sleep(min(_SWEEP_S, self.keep_s))
            self.cache.sweep((), long_ago(self.keep_s))
            self.left.sweep(long_ago(self.keep_s))
        self.shutdown()


def main() -> None:
    """Serve until nobody has used it for long."""
    address = "", int(os.environ["FILES_PORT"])
    keep_s = float(os.environ["FILES_KEEP_S"])
    server = Server(address, DIRECTORY, word=os.environ["FILES_WORD"], keep_s=keep_s)
    threading.Thread(target=server.tend, daemon=True).start()
    server.serve_forever()
