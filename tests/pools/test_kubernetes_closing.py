"""No connection to an API server is left open, whenever a pool is closed."""

import asyncio
import gc
import ssl
import warnings
from collections.abc import Callable

import httpcore
import pytest
import uvloop

from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.connecting import Connections
from suan.pools.kubernetes.credentials import Fixed
from suan.pools.kubernetes.kubeconfig import Access
from suan.pools.kubernetes.objects import Named


@pytest.mark.enable_socket
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_request_given_up_in_its_handshake_leaves_no_connection(streamed: bool) -> None:
    connected, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)  # the handshake has begun, and stays without an answer
        connected.set()
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    access = Access(
        server=f"https://127.0.0.1:{port}", namespace="x", trust=ssl.create_default_context(),
        tokens=Fixed(None), where="a test",
    )  # fmt: skip
    api = ApiServer(access)
    asked = watched(api) if streamed else api.get("/version", Named)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        task = asyncio.ensure_future(asked)
        async with asyncio.timeout(30):
            await connected.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await api.close()
            del task, asked
            gc.collect()
            await closed.wait()
    server.close()
    assert [str(each.message) for each in told] == []


@pytest.mark.enable_socket
async def test_a_request_given_up_while_idle_connections_are_closed_loses_none() -> None:
    """Whoever asks next closes those that the server has closed, one after the other."""
    for steps in range(0, 40, 2):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ResourceWarning)
            await give_up_while_closing(steps)
            gc.collect()
        assert [str(each.message) for each in told] == [], steps


async def give_up_while_closing(steps: int) -> None:
    """Have eight idle connections that the server has closed, and cancel the next request after so
    many steps of the loop."""
    asked, closed = asyncio.Semaphore(0), asyncio.Semaphore(0)
    answered, closing = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            asked.release()
            await answered.wait()
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"metadata":{}}')
            await closing.wait()
        writer.close()
        closed.release()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    api = ApiServer(at(server))
    async with asyncio.timeout(60):
        eight = [asyncio.ensure_future(api.get("/version", Named)) for _ in range(8)]
        for _ in eight:
            await asked.acquire()
        answered.set()
        await asyncio.gather(*eight)
        closing.set()
        for _ in eight:
            await closed.acquire()
        task = asyncio.ensure_future(api.get("/version", Named))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await api.close()
        server.close()
        await server.wait_closed()


@pytest.mark.enable_socket
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_that_is_closed_is_followed_by_another(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """On the loop of tests and on that of the server."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(connect_one_after_the_other())


async def connect_one_after_the_other() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    backend, connections = httpcore.AnyIOBackend(), Connections()
    for _ in range(3):
        stream = await backend.connect_tcp("127.0.0.1", port, timeout=60)
        connections.add(stream)
        await stream.aclose()
    await connections.close()
    server.close()
    await server.wait_closed()


def at(server: asyncio.Server) -> Access:
    port = server.sockets[0].getsockname()[1]
    return Access(
        server=f"http://127.0.0.1:{port}", namespace="x", trust=ssl.create_default_context(),
        tokens=Fixed(None), where="a test",
    )  # fmt: skip


async def watched(api: ApiServer) -> None:
    async for _ in api.watch("/api/v1/nodes", "1"):
        pass
