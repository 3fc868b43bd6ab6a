"""Before a task, in its pod: fetches what its job brings, and lays it out where the task works."""

# The oldest Python of an image sets the style: plain paths, no later conveniences.
# ruff: noqa: S310, PTH103, PTH108, PTH123

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request

from suan.content import manifest
from suan.content.cache import Broken, Cache, Missing

CONTENT, WORK, SAID = "/run/suan/content", "/run/suan/work", "/dev/termination-log"
GONE, WRONG = 1, 2  # exit codes: it may be delivered again; it never can be laid out
WORD = "X-Suan-Word"
_PATIENCE_S = 120.0
_PIECE = 1 << 20


class Source:
    """The pod that keeps files."""

    def __init__(self, url: str, word: str) -> None:
        self._url = url
        self._word = word
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def fetch(self, digest: str, cache: Cache) -> None:
        """Bring bytes into a cache, from the start again where the line breaks.

        Raises:
            Missing: they are not there, or the pod is not.
        """
        if not cache.missing([digest]):
            return
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._fetch(digest, cache)
                return
            except urllib.error.HTTPError as error:
                raise Missing(f"{digest}: {error}") from None
            except (OSError, Broken) as error:
                if time.monotonic() > until:
                    raise Missing(f"{digest}: {error}") from None
                time.sleep(0.5)

    def _fetch(self, digest: str, cache: Cache) -> None:
        request = urllib.request.Request(f"{self._url}/content/{digest}")
        request.add_header(WORD, self._word)
        found = hashlib.sha256()
        descriptor, draft = tempfile.mkstemp(dir=cache.directory)
        with os.fdopen(descriptor, "wb") as file, self._open(request, timeout=30) as answer:
            while True:
                piece = answer.read(_PIECE)
                if not piece:
                    break
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != digest:
            os.unlink(draft)
            raise Broken(f"what came as {digest} is something else")
        cache.adopt(draft, digest)


def main() -> None:
    """Do so, or say why not."""
    os.umask(0)  # whoever the task runs as may change what it finds
    os.makedirs(WORK, exist_ok=True)
    os.makedirs(CONTENT, exist_ok=True)
    source = Source(os.environ["FILES_URL"], os.environ["FILES_WORD"])
    cache = Cache(CONTENT)
    try:
        for digest, target in json.loads(os.environ["FILES_PARCELS"]):
            source.fetch(digest, cache)
            for each in manifest.files(cache.entries(digest)):
                source.fetch(each, cache)
            cache.lay_out(digest, WORK, target)
    except (Missing, Broken) as error:
        with open(SAID, "w") as file:
            file.write(str(error))
        sys.exit(WRONG if isinstance(error, Broken) else GONE)
    shutil.rmtree(CONTENT)
