"""Schemathesis: every address of the document, over the real store and the real live loop.

The application lives on one event loop in a thread of its own, as under a real server; requests
reach it through ASGI, so that no port is needed.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from suan.api import ApiSettings, Services, create_app
from suan.api.application import routes_alone
from suan.api.openapi import document
from suan.content.cache import Cache
from suan.content.fetching import Fetcher
from suan.content.kept import Kept
from suan.control import Controller, ControlSettings, wall_clock
from suan.model.bill import Bill
from suan.store import open_store
from tests.waiting import until

URL = "http://127.0.0.1:7826"


def does_not_break(
    context: CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """No server error but 503: one whose machine stalls loses its lease for a moment."""
    if response.status_code == 503:
        return None
    return not_a_server_error(context, response, case)


CHECKS = [
    does_not_break,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
schema = schemathesis.openapi.from_dict(document(routes_alone("0")))
T = TypeVar("T")


class Served:
    """An application with its store and live loop, used from other threads."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.app: FastAPI = self._do(self._open(folder)).result(30)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL)
        until(lambda: self.get("/v1/health").status_code == 200, 20, what="a healthy server")

    def _do(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self, folder: Path) -> FastAPI:
        self._store = await open_store(f"sqlite:///{folder}/suan.db")
        self._live = Controller(
            self._store,
            {},
            bill=lambda run, usage: Bill(),
            settings=ControlSettings(holder="test", url=URL),
        )
        await self._live.start()
        settings, content = ApiSettings(version="0"), Kept(Cache(str(folder / "content")))
        fetcher = Fetcher(content.cache, ("memory://",))
        return create_app(Services(self._store, self._live, wall_clock, content, fetcher, settings))

    def get(self, path: str) -> httpx.Response:
        return self._do(self.http.get(path)).result(20)

    def send(self, request: requests.PreparedRequest) -> httpx.Response:
        assert request.url is not None
        assert request.method is not None
        body = request.body or b""
        passed = self.http.build_request(
            request.method,
            request.url,
            headers=[(k, v) for k, v in request.headers.items() if k.lower() != "content-length"],
            content=body if isinstance(body, bytes) else body.encode(),
        )
        return self._do(self.http.send(passed)).result(20)

    async def _close(self) -> None:
        await self.http.aclose()
        await self._live.stop()
        await self._store.close()

    def close(self) -> None:
        self._do(self._close()).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("store"))
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@schema.parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: schemathesis.Case, served: Served) -> None:
    request = requests.Request(**case.as_transport_kwargs(base_url=URL)).prepare()
    case.validate_response(served.send(request), checks=CHECKS)
