"""Submitting over HTTP: batches, and one by one while many jobs wait

A real server in a process of its own (SQLite, its live loop and local pool at work), eight
connections over loopback from this one. The jobs ask for an accelerator that the machine has not,
so that they stay pending. Every acknowledged job is durable: each answer waited for its commit.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import duration, number, percentile, quick, rss_mib, table

CONNECTIONS = 8
JOB = {"run": "true", "resources": [{"accelerators": {"NO-SUCH-CARD": 1000}}]}


class Connection:
    """One kept-alive HTTP connection, with nothing but what the benchmark needs."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        await self._writer.drain()
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in answer.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        return int(answer.split(b" ", 2)[1]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


async def connections(port: int) -> list[Connection]:
    return [await Connection(port).open() for _ in range(CONNECTIONS)]


async def batches(port: int, jobs: int, size: int) -> float:
    """Seconds to submit ``jobs`` in batches of ``size`` over all connections."""
    body = json.dumps({"jobs": [JOB] * size}).encode()
    left = iter(range(jobs // size))

    async def work(line: Connection) -> None:
        for _ in left:
            status, text = await line.ask("POST", "/v1/jobs/batch", body)
            assert status == 201, text

    lines = await connections(port)
    began = time.perf_counter()
    await asyncio.gather(*map(work, lines))
    seconds = time.perf_counter() - began
    for line in lines:
        line.close()
    return seconds


async def singles(port: int, requests: int, method: str, path: str) -> tuple[float, list[float]]:
    """Seconds in all, and of each request."""
    body = json.dumps(JOB).encode() if method == "POST" else b""
    left = iter(range(requests))
    took: list[float] = []

    async def work(line: Connection) -> None:
        for _ in left:
            began = time.perf_counter()
            status, text = await line.ask(method, path, body)
            took.append(time.perf_counter() - began)
            assert status in (200, 201), text

    lines = await connections(port)
    began = time.perf_counter()
    await asyncio.gather(*map(work, lines))
    seconds = time.perf_counter() - began
    for line in lines:
        line.close()
    return seconds, took


async def settled(port: int, jobs: int) -> float:
    """Seconds until the live loop has taken every job into its line."""
    line = await Connection(port).open()
    began = time.perf_counter()
    while True:
        _, text = await line.ask("GET", "/metrics")
        if f"suan_scheduler_pending_jobs {float(jobs)}" in text.decode():
            line.close()
            return time.perf_counter() - began
        if time.perf_counter() - began > 300:
            raise RuntimeError("the live loop did not take the jobs")
        await asyncio.sleep(0.1)


def start(home: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server, ready, and its port."""
    environ = {**os.environ, "SUAN_HOME": str(home)}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "suan", "serve", "--port", "0"],
            env=environ,
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + 30
    while not (home / "server.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((home / "log").read_text())
        time.sleep(0.02)
    return process, int(json.loads((home / "server.json").read_text())["url"].rpartition(":")[2])


def measure(process: subprocess.Popen[bytes], port: int) -> list[list[object]]:
    pending, requests = (10_000, 800) if quick() else (100_000, 4_000)
    rows: list[list[object]] = [["server at rest", "", "", "", f"{rss_mib(process.pid):.0f} MiB"]]

    def row(name: str, rate: str, took: list[float]) -> None:
        rows.append(
            [
                name,
                rate,
                duration(statistics.median(took)) if took else "",
                duration(percentile(took, 99)) if took else "",
                f"{rss_mib(process.pid):.0f} MiB",
            ]
        )

    seconds = asyncio.run(batches(port, pending, 1000))
    row(f"{number(pending)} jobs in batches of 1,000", f"{number(pending / seconds)} jobs/s", [])
    seconds = asyncio.run(settled(port, pending))
    row(f"… then {duration(seconds)} until the loop has them in line", "", [])
    seconds, took = asyncio.run(singles(port, requests, "POST", "/v1/jobs"))
    row("one job a request, those pending", f"{number(requests / seconds)} requests/s", took)
    seconds, took = asyncio.run(singles(port, requests // 4, "GET", "/v1/jobs?limit=100"))
    row("a page of 100 jobs", f"{number(requests / 4 / seconds)} requests/s", took)
    seconds, took = asyncio.run(singles(port, requests // 4, "GET", "/v1/health"))
    row("health", f"{number(requests / 4 / seconds)} requests/s", took)
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        process, port = start(Path(folder))
        try:
            rows = measure(process, port)
        finally:
            process.terminate()
            process.wait(30)
    print(table(["what", "rate", "median", "p99", "server's memory"], rows))


if __name__ == "__main__":
    main()
