"""What runs have left, over the API."""

from suan.content.manifest import digest_of
from tests.api.conftest import Api
from tests.api.test_submit import problem

FILES = {"deep/模型 a?b#c": b"0123456789", "x": b""}


async def test_the_files_and_their_bytes(api: Api) -> None:
    job = await api.add_job()
    run = await api.add_run(job)
    api.loop.outputs = FILES
    told = (await api.http.get(f"/v1/jobs/{job}/outputs")).json()
    assert told["run"] == run.id
    assert told["files"][0] == {
        "path": "deep/模型 a?b#c",
        "size": 10,
        "digest": digest_of(b"0123456789"),
        "executable": False,
    }
    address = f"/v1/jobs/{job}/outputs/deep/%E6%A8%A1%E5%9E%8B%20a%3Fb%23c"
    answer = await api.http.get(address, params={"offset": 3, "limit": 4})
    assert answer.content == b"3456"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await api.http.get(address, params={"offset": 10})).content == b""
    api.loop.outputs = {"two\nlines\n": b"0"}
    assert (await api.http.get(f"/v1/jobs/{job}/outputs/two%0Alines%0A")).content == b"0"


async def test_what_there_is_not(api: Api) -> None:
    job = await api.add_job()
    problem(await api.http.get(f"/v1/jobs/{job}/outputs"), 404, "not_found")
    await api.add_run(job)
    problem(await api.http.get(f"/v1/jobs/{job}/outputs?attempt=2"), 404, "not_found")
    problem(await api.http.get(f"/v1/jobs/{job}/outputs/none"), 502, "pool_rejected")
    problem(await api.http.get("/v1/jobs/0000000000zz/outputs"), 404, "not_found")
    api.loop.log_faults = 1
    problem(await api.http.get(f"/v1/jobs/{job}/outputs"), 503, "pool_unavailable")
