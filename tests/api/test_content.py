"""Content: what is missing, taking it in pieces, and jobs that bring it."""

import asyncio

import fsspec
import httpx
import pytest

from suan.content import manifest
from suan.content.cache import Cache
from suan.content.frames import Piece, encode
from suan.content.kept import Kept
from suan.content.manifest import Entry
from suan.model.spec import CONTENT
from suan.model.store import Store
from tests.api.conftest import Api, application, client
from tests.api.loop import TestLoop
from tests.api.test_submit import count, problem

DATA = b"0123456789" * 1000
DIGEST = manifest.digest_of(DATA)
MEMORY = {"url": "memory://api/a"}
OCTETS = {"Content-Type": "application/octet-stream"}


async def put(http: httpx.AsyncClient, data: bytes, *, start: int = 0, end: int = 1 << 30):
    piece = Piece(manifest.digest_of(data), start, data[start:end], len(data))
    return await http.post("/v1/content", content=encode(piece), headers=OCTETS)


async def missing(api: Api, *digests: str) -> dict[str, int]:
    answer = await api.http.post("/v1/content/missing", json={"digests": digests})
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()["missing"]
    return found


async def folder(api: Api, *, whole: bool = True, path: str = "a") -> str:
    listed = manifest.encode([Entry(path, digest=DIGEST, size=len(DATA))])
    if whole:
        await put(api.http, DATA)
    await put(api.http, listed)
    return CONTENT + manifest.digest_of(listed)


async def test_pieces_go_on_where_they_broke_off(api: Api) -> None:
    assert await missing(api, DIGEST) == {DIGEST: 0}
    assert (await put(api.http, DATA, end=4000)).status_code == 204
    assert await missing(api, DIGEST) == {DIGEST: 4000}
    assert (await put(api.http, DATA, start=4000)).status_code == 204
    assert await missing(api, DIGEST) == {}
    answer = await api.http.get(f"/v1/content/{DIGEST}", params={"offset": 9990, "limit": 7})
    assert (answer.content, answer.headers["x-suan-size"]) == (b"0123456", "10000")


async def test_several_in_one_body(api: Api) -> None:
    datas = [b"", b"x", b"\n", DATA]
    body = b"".join(encode(Piece(manifest.digest_of(d), 0, d, len(d))) for d in datas)
    assert (await api.http.post("/v1/content", content=body, headers=OCTETS)).status_code == 204
    assert await missing(api, *map(manifest.digest_of, datas)) == {}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"what?", 400, "no line of a piece at byte 0"),
        (b"%s 0 10 10\nshort" % DIGEST.encode(), 400, "cut short"),
        (b"%s 0 x 10\n" % DIGEST.encode(), 400, "no line"),
        (b"%s 0 1 1\n?" % DIGEST.encode(), 422, "something else"),
        (b"%s 5 1 10\n?" % DIGEST.encode(), 422, "only 0 are here"),
        (b"../../etc/x 0 1 1\n?", 422, "not a SHA-256"),
    ],
)
async def test_what_is_no_piece(api: Api, body: bytes, status: int, said: str) -> None:
    answer = await api.http.post("/v1/content", content=body, headers=OCTETS)
    assert said in problem(answer, status, "invalid_input")["detail"]


@pytest.mark.parametrize("digest", ["0" * 64, "x", "..%2F..%2Fetc"])
async def test_what_is_not_there(api: Api, digest: str) -> None:
    problem(await api.http.get(f"/v1/content/{digest}"), 404, "not_found")


async def test_only_digests_are_asked_for(api: Api) -> None:
    answer = await api.http.post("/v1/content/missing", json={"digests": ["../x"]})
    assert "not a SHA-256" in problem(answer, 422, "invalid_input")["detail"]


async def test_a_job_whose_files_are_here_is_taken(api: Api) -> None:
    brought = await folder(api)
    spec = {"run": "true", "workdir": brought, "file_mounts": {"./more/": brought}}
    answer = await api.http.post("/v1/jobs", json=spec)
    assert answer.status_code == 201, answer.text
    assert await api.store.contents_needed() == {brought.removeprefix(CONTENT)}


async def test_one_whose_files_are_not_is_refused(api: Api) -> None:
    absent = CONTENT + "0" * 64
    answer = await api.http.post("/v1/jobs", json={"run": "true", "workdir": absent})
    assert problem(answer, 422, "content_missing")["where"] == "workdir"
    half = await folder(api, whole=False)
    jobs = {"jobs": [{"run": "true"}, {"run": "true", "file_mounts": {"a": half}}]}
    told = problem(await api.http.post("/v1/jobs/batch", json=jobs), 422, "content_missing")
    assert told["where"] == "jobs[1].file_mounts.a"
    assert told["detail"] == "1 of its 2 contents are not here"
    assert await count(api) == 0


@pytest.mark.parametrize("target", ["/data", "../up", "~/x/..", "a/../../b", ""])
async def test_mounts_lie_below_the_working_directory(api: Api, target: str) -> None:
    spec = {"run": "true", "file_mounts": {target: await folder(api)}}
    problem(await api.http.post("/v1/jobs", json=spec), 422, "invalid_input")


async def test_what_is_no_folder_is_refused(api: Api) -> None:
    await put(api.http, b"text")
    spec = {"run": "true", "workdir": CONTENT + manifest.digest_of(b"text")}
    problem(await api.http.post("/v1/jobs", json=spec), 422, "invalid_input")
    spec = {"run": "true", "workdir": CONTENT + "../../x"}
    problem(await api.http.post("/v1/jobs", json=spec), 422, "invalid_input")


async def test_no_room_is_told(store: Store, tmp_path) -> None:
    small = Kept(Cache(str(tmp_path / "small"), limit=5000))
    async with client(application(store, TestLoop(), content=small)) as http:
        told = problem(await put(http, DATA), 507, "content_full")
    assert "may hold 5,000" in told["detail"]


async def test_a_url_is_fetched_by_the_server(api: Api) -> None:
    fsspec.filesystem("memory").pipe("/api/a", b"data")
    async with asyncio.timeout(30):
        while (answer := await api.http.post("/v1/content/fetch", json=MEMORY)).status_code == 202:
            pass
    told = answer.json()
    assert (answer.status_code, told["done"], told["size"]) == (200, 4, 4)
    spec = {"run": "true", "file_mounts": {"a": CONTENT + told["digest"]}}
    assert (await api.http.post("/v1/jobs", json=spec)).status_code == 201


async def test_urls_that_it_may_not_fetch(api: Api) -> None:
    for url in ("file:///etc/passwd", "http://example.org/"):
        answer = await api.http.post("/v1/content/fetch", json={"url": url})
        assert "SUAN_FETCH" in problem(answer, 422, "invalid_input")["mend"]
    spec = {"run": "true", "file_mounts": {"a": "memory://api/a"}}
    answer = await api.http.post("/v1/jobs", json=spec)
    assert "/v1/content/fetch" in problem(answer, 422, "content_missing")["mend"]
