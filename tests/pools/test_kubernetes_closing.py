"""No connection to an API server is left open, whenever a pool is closed."""

import asyncio
import gc
import ssl
import warnings

import pytest

from suan.pools.kubernetes.api import ApiServer
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


async def watched(api: ApiServer) -> None:
    async for _ in api.watch("/api/v1/nodes", "1"):
        pass
