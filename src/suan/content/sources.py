"""Where content comes from by URL: HTTP, and whatever fsspec has a driver for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from suan.model.errors import InputError

_PIECE = 1 << 20
_TIMEOUT_S = 60.0
# The package that each scheme's driver is in, where fsspec does not say so.
_DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "oss": "ossfs", "hf": "huggingface_hub"}


@dataclass(frozen=True, slots=True)
class Remote:
    """One file. ``path`` is relative to the URL, empty for the URL itself; ``version`` changes
    with what is in it, and is empty where nobody can tell."""

    path: str
    size: int | None
    version: str


class Source(Protocol):
    """What a URL stands for."""

    def files(self) -> list[Remote]:
        """The file, or the files of the folder."""
        ...

    def read(self, file: Remote, offset: int) -> Iterator[bytes]:
        """Its bytes from an offset. If it cannot begin there, the first piece is empty, and the
        bytes are all of them."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def source_of(url: str, allowed: Callable[[str], None]) -> Source:
    """What a URL stands for. ``allowed`` raises for one that may not be fetched: a server may
    answer that it is elsewhere.

    Raises:
        InputError: there is no driver for it.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return HttpSource(url, allowed)
    import fsspec  # type: ignore[import-untyped] # it ships no types

    try:
        return FileSystemSource(*fsspec.core.url_to_fs(url))
    except ImportError as error:
        package = _DRIVERS.get(scheme, "the package that it names")
        raise InputError(
            f"no driver for {scheme}:// is installed: {error}",
            where=url,
            mend=f"have the operator install {package} beside suan on the server",
        ) from error
    except ValueError as error:
        raise InputError(f"nobody knows {scheme}://: {error}", where=url) from error


class HttpSource:
    """One file by HTTP."""

    def __init__(self, url: str, allowed: Callable[[str], None]) -> None:
        import httpx

        self._url = url
        self._http = httpx.Client(
            follow_redirects=True,
            timeout=_TIMEOUT_S,
            event_hooks={"request": [lambda request: allowed(str(request.url))]},
        )

    def files(self) -> list[Remote]:
        answer = self._http.head(self._url)
        if answer.status_code in (405, 501):
            return [Remote("", None, "")]
        answer.raise_for_status()
        version = answer.headers.get("etag") or answer.headers.get("last-modified") or ""
        length = answer.headers.get("content-length")
        plain = "content-encoding" not in answer.headers
        return [Remote("", int(length) if length and plain else None, version)]

    def close(self) -> None:
        self._http.close()

    def read(self, file: Remote, offset: int) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": file.version}
        with self._http.stream("GET", self._url, headers=headers) as answer:
            answer.raise_for_status()
            if offset and answer.status_code != 206:
                yield b""
            yield from answer.iter_bytes()  # as they come: what came before a break is kept


class FileSystemSource:
    """A file or folder of a file system that fsspec knows."""

    def __init__(self, system: Any, root: str) -> None:
        self._system = system
        self._root = root.rstrip("/")

    def files(self) -> list[Remote]:
        if not self._system.isdir(self._root):
            return [self._remote("", self._system.info(self._root))]
        found = self._system.find(self._root, detail=True)
        return [
            self._remote(path.removeprefix(self._root).lstrip("/"), info)
            for path, info in sorted(found.items())
        ]

    def read(self, file: Remote, offset: int) -> Iterator[bytes]:
        path = f"{self._root}/{file.path}" if file.path else self._root
        with self._system.open(path, "rb") as opened:
            opened.seek(offset)
            while piece := opened.read(_PIECE):
                yield piece

    def close(self) -> None:
        """The driver keeps its own."""

    def _remote(self, path: str, info: dict[str, Any]) -> Remote:
        told = [info.get(key) for key in ("ETag", "etag", "md5Hash", "LastModified", "mtime")]
        told.append(info.get("created"))
        version = "|".join(str(each) for each in told if each)
        return Remote(path, info.get("size"), version and f"{version}|{info.get('size')}")
