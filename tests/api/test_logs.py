"""Logs: ranges, last lines, following, masking, binary, a gigabyte, faults."""

import asyncio
import tracemalloc
from dataclasses import replace

import pytest

from suan.model.job import Cause, JobState, Outcome, Run, RunState
from suan.model.pool import LogChunk
from suan.model.store import JobUpdate
from tests.api.asgi import stream
from tests.api.conftest import Api, application
from tests.api.loop import TestLoop
from tests.api.test_submit import problem

SECRET = "hunter2"


async def with_log(api: Api, log: bytes, **fields: object) -> str:
    api.loop.log = log
    job = await api.add_job(**fields)
    await api.add_run(job)
    return f"/v1/jobs/{job}/logs"


async def test_the_whole_log(api: Api) -> None:
    path = await with_log(api, b"one\ntwo\n")
    answer = await api.http.get(path)
    assert (answer.status_code, answer.content) == (200, b"one\ntwo\n")
    assert answer.headers["x-suan-run"].endswith("-r1")
    assert answer.headers["x-suan-next-offset"] == "8"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert (await api.http.get(f"{path}?stream=stderr")).content == b""


async def test_binary_comes_as_it_is(api: Api) -> None:
    every = bytes(range(256)) * 5000
    assert (await api.http.get(await with_log(api, every))).content == every


@pytest.mark.parametrize(
    ("query", "shown", "next_offset"),
    [
        ("offset=4", b"two\nthree", "13"),
        ("offset=4&limit=3", b"two", "7"),
        ("offset=99", b"", "13"),
        ("limit=2", b"on", "2"),
        ("tail=1", b"three", "13"),
        ("tail=2", b"two\nthree", "13"),
        ("tail=0", b"", "13"),
        ("tail=9", b"one\ntwo\nthree", "13"),
    ],
)
async def test_a_part(api: Api, query: str, shown: bytes, next_offset: str) -> None:
    path = await with_log(api, b"one\ntwo\nthree")
    answer = await api.http.get(f"{path}?{query}")
    assert answer.content == shown
    assert answer.headers["x-suan-next-offset"] == next_offset


async def test_the_last_lines_of_a_long_log(api: Api) -> None:
    log = b"".join(b"line %d %s\n" % (i, b"x" * (i % 700)) for i in range(5000))
    path = await with_log(api, log)
    answer = await api.http.get(f"{path}?tail=2000")
    assert answer.content == b"".join(log.splitlines(keepends=True)[-2000:])


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("task=1", "query.task"),
        ("offset=1&tail=1", "query.tail"),
        ("follow=true&limit=1", "query.limit"),
        ("stream=both", "query.stream"),
        ("offset=-1", "query.offset"),
        ("attempt=0", "query.attempt"),
        ("follow=maybe", "query.follow"),
    ],
)
async def test_a_wrong_part(api: Api, query: str, where: str) -> None:
    answer = await api.http.get(f"{await with_log(api, b'x')}?{query}")
    assert problem(answer, 422, "invalid_input")["where"] == where


async def test_no_run_yet_and_no_such_attempt(api: Api) -> None:
    job = await api.add_job()
    answer = await api.http.get(f"/v1/jobs/{job}/logs")
    assert "no run yet" in problem(answer, 404, "not_found")["detail"]
    problem(await api.http.get(f"/v1/jobs/{job}/logs?attempt=2"), 404, "not_found")


async def test_secrets_are_masked_wherever_one_reads(api: Api) -> None:
    path = await with_log(api, b"key=hunter2;\n" * 50_000, secrets={"K": SECRET, "E": ""})
    answer = await api.http.get(path)
    assert answer.content == b"key=***;\n" * 50_000
    for offset in range(12):
        for limit in range(1, 8):
            part = (await api.http.get(f"{path}?offset={offset}&limit={limit}")).content
            assert not any(part.find(SECRET[i : i + 2].encode()) >= 0 for i in range(6)), part


async def test_follow_waits_for_the_run_and_ends_with_it(api: Api) -> None:
    job = await api.add_job(secrets={"K": SECRET})
    api.loop.log_ended = False
    async with stream(api.app, f"/v1/jobs/{job}/logs?follow=true") as following:
        assert following.status == 200
        run = await api.add_run(job, ref=None)
        await api.record(runs=(replace(run, ref="7"),))
        api.loop.log = b"begin hunt"
        assert await following.piece() == b"begin "
        api.loop.log += b"er2 end\npass"  # shown though no line break follows
        assert await following.until(b"pass") == b"*** end\npass"
        api.loop.log += b"word? "
        api.loop.log_ended = True
        assert await following.rest() == b"word? "


async def test_follow_of_a_job_that_never_starts(api: Api) -> None:
    job = await api.add_job()
    async with stream(api.app, f"/v1/jobs/{job}/logs?follow=true") as following:
        await api.record(jobs=(JobUpdate(job, JobState.CANCELLED, 0),))
        assert await following.rest() == b""


async def test_follow_from_the_last_lines(api: Api) -> None:
    path = await with_log(api, b"a\nb\nc\n")
    async with stream(api.app, f"{path}?follow=true&tail=1") as following:
        assert await following.rest() == b"c\n"


async def test_a_client_that_goes_away_stops_the_work(api: Api) -> None:
    path = await with_log(api, b"x")
    api.loop.log_ended = False
    async with stream(api.app, f"{path}?follow=true") as following:
        await following.until(b"x")
    reads = api.loop.reads
    await asyncio.sleep(0)
    assert api.loop.reads == reads


async def test_a_pool_that_does_not_answer(api: Api) -> None:
    path = await with_log(api, b"x")
    api.loop.log_faults = 1
    answer = await api.http.get(path)
    assert problem(answer, 503, "pool_unavailable")["mend"] == "wait"
    assert answer.headers["retry-after"]


async def test_a_pool_that_stops_answering_for_a_while(api: Api) -> None:
    path = await with_log(api, b"ab")
    api.loop.log_ended = False
    async with stream(api.app, f"{path}?follow=true") as following:
        await following.until(b"ab")
        api.loop.log_faults = 2
        api.loop.log += b"cd"
        api.loop.log_ended = True
        assert await following.rest() == b"cd"
        assert api.loop.log_faults == 0


class GigabyteLoop(TestLoop):
    """A log of 1 GB that takes no memory."""

    SIZE = 1 << 30
    LINE = b"0123456789abcde\n" * (1 << 14)

    async def read_log(
        self, run: Run, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        start = offset if offset >= 0 else self.SIZE + offset
        length = min(limit, self.SIZE - start)
        skew = start % 16
        data = self.LINE[skew : skew + length]
        return LogChunk(data, start + len(data), start + len(data) >= self.SIZE)


@pytest.mark.parametrize("secrets", [{}, {"K": "hunter2"}])
async def test_a_log_of_a_gigabyte_takes_constant_memory(api: Api, secrets: dict[str, str]) -> None:
    app = application(api.store, GigabyteLoop())
    job = await api.add_job(secrets=secrets)
    await api.add_run(job)
    total = 0
    tracemalloc.start()
    try:
        async with stream(app, f"/v1/jobs/{job}/logs") as sent:
            while (piece := await sent.piece()) is not None:
                total += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == GigabyteLoop.SIZE
    assert peak < 16 << 20


async def test_follow_of_a_run_that_its_pool_refused(api: Api) -> None:
    """It never started, so that nothing of it can ever be read; following it has to end."""
    job = await api.add_job()
    run = await api.add_run(job, ref=None)
    refused = replace(run, state=RunState.ENDED, outcome=Outcome(Cause.REJECTED))
    await api.record(runs=(refused,), jobs=(JobUpdate(job, JobState.FAILED, 1),))
    for query in ("follow=true", "follow=true&attempt=1"):
        async with stream(api.app, f"/v1/jobs/{job}/logs?{query}") as following:
            assert await following.rest() == b""
