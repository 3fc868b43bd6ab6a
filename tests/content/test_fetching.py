"""Fetching by URL: from the web and by fsspec's drivers, once, on from where it broke off."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from suan.content import fetching, manifest
from suan.content.cache import Cache, Full
from suan.content.fetching import Fetcher
from suan.model.errors import InputError
from tests.webserver import Web, web

DATA = random.Random(1).randbytes(3_000_000)


@pytest.fixture
def site(socket_enabled: None) -> Iterator[Web]:
    with web() as served:
        yield served


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "content"))


@pytest.fixture
def fetcher(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    monkeypatch.setattr(fetching, "TOLD_FOR_S", 0.0)  # each question is a new look
    return Fetcher(cache, ("http://127.0.0.1", "memory://", "nosuch://", "s3://"))


async def fetched(fetcher: Fetcher, url: str) -> str:
    async with asyncio.timeout(30):
        while not (found := await fetcher.ask(url)).digest:
            pass
    assert found.size in (None, found.done)
    return found.digest


async def test_a_file_of_the_web_once_while_it_stays(
    fetcher: Fetcher, cache: Cache, site: Web
) -> None:
    site.files["/a.csv"] = DATA
    first = await fetched(fetcher, f"{site.url}/a.csv")
    (entry,) = cache.entries(first)
    assert (entry.path, cache.read(entry.digest, 0, 1 << 30)) == ("", DATA)
    assert await fetched(fetcher, f"{site.url}/a.csv") == first
    assert await fetched(Fetcher(cache, ("http://",)), f"{site.url}/a.csv") == first
    assert site.given == len(DATA)
    site.files["/a.csv"] = b"changed"
    assert await fetched(fetcher, f"{site.url}/a.csv") != first


@pytest.mark.parametrize(("ranges", "most"), [(True, len(DATA)), (False, 2 * len(DATA))])
async def test_it_goes_on_where_it_broke_off(
    fetcher: Fetcher, cache: Cache, site: Web, *, ranges: bool, most: int
) -> None:
    site.files["/a"], site.ranges, site.breaks_after = DATA, ranges, 2_000_000
    with pytest.raises(InputError, match="cannot be fetched"):
        await fetched(fetcher, f"{site.url}/a")
    (entry,) = cache.entries(await fetched(fetcher, f"{site.url}/a"))
    assert entry.digest == manifest.digest_of(DATA)
    assert site.given <= most


async def test_who_tells_no_version_is_asked_each_time(fetcher: Fetcher, site: Web) -> None:
    site.files["/a"], site.tags = b"x" * 100, False
    first = await fetched(fetcher, f"{site.url}/a")
    assert await fetched(fetcher, f"{site.url}/a") == first
    assert site.given == 200


async def test_many_ask_and_one_fetch_is_made(fetcher: Fetcher, site: Web) -> None:
    site.files["/a"] = DATA
    found = await asyncio.gather(*(fetched(fetcher, f"{site.url}/a") for _ in range(10)))
    assert len(set(found)) == 1
    assert site.given == len(DATA)


async def test_a_folder_by_a_driver_of_fsspec(fetcher: Fetcher, cache: Cache) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/set/a": b"one", "/set/deep/b": DATA, "/other": b"no"})
    digest = await fetched(fetcher, "memory://set")
    assert [(each.path, each.size) for each in cache.entries(digest)] == [
        ("a", 3),
        ("deep/b", len(DATA)),
    ]
    (entry,) = cache.entries(await fetched(fetcher, "memory://set/a"))
    assert cache.read(entry.digest, 0, 9) == b"one"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "does not fetch"),
        ("http://example.org/latest", "does not fetch"),
        ("memory://nothing", "cannot be fetched: FileNotFoundError"),
        ("nosuch://x", "nobody knows nosuch://"),
    ],
)
async def test_what_cannot_be_fetched(fetcher: Fetcher, url: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        await fetched(fetcher, url)


async def test_a_driver_that_is_not_installed(fetcher: Fetcher) -> None:
    with pytest.raises(InputError, match="no driver for s3:// is installed") as refused:
        await fetched(fetcher, "s3://bucket/a")
    assert "s3fs" in refused.value.mend


async def test_what_is_not_there(fetcher: Fetcher, site: Web) -> None:
    with pytest.raises(InputError, match="404"):
        await fetched(fetcher, f"{site.url}/none")


async def test_no_room(tmp_path: Path, site: Web) -> None:
    site.files["/a"] = DATA
    small = Fetcher(Cache(str(tmp_path / "small"), limit=1000), ("http://",))
    with pytest.raises(Full):
        await fetched(small, f"{site.url}/a")


async def test_it_is_not_led_where_it_may_not_fetch(fetcher: Fetcher, site: Web) -> None:
    site.files["/a"], site.files["/secret"] = DATA, b"s"
    site.moved = {"/here": "/a", "/there": site.url.replace("127.0.0.1", "localhost") + "/secret"}
    assert await fetched(fetcher, f"{site.url}/here")
    with pytest.raises(InputError, match="does not fetch http://localhost"):
        await fetched(fetcher, f"{site.url}/there")
    assert not any("secret" in each for each in site.asked)
