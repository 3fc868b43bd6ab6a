"""The outermost layer: limits bodies, measures, and lets no exception out.

A plain ASGI middleware: it costs next to nothing and never buffers a stream.
"""

import asyncio
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from suan.api.metrics import HttpMetrics
from suan.api.problems import MalformedBody, TooLarge, internal_problem, problem_response

MAX_BODY = 1 << 20
MAX_BATCH_BODY = 64 << 20
BODY_SILENCE_S = 30.0  # a client that stops half way through its body is not waited for longer
MAX_DRAINED = 64 << 20  # read and thrown away, so that a client that still writes hears the answer
MAX_CONTENT_BODY = 16 << 20
BATCH_PATH = "/v1/jobs/batch"
_LIMITS = {BATCH_PATH: MAX_BATCH_BODY, "/v1/content": MAX_CONTENT_BODY}
FORWARDED_PATH = "/v1/peer/"  # a launch is a job with its script and its whole environment
log = logging.getLogger(__name__)


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = _limit(scope["path"])
        watched = _Watched(send)
        try:
            await self._app(scope, _Limited(receive, limit), watched)
        except Exception:
            # The boundary: an error that nobody foresaw is logged here and told in one sentence.
            log.exception("unforeseen error in %s %s", scope["method"], scope["path"])
            if watched.status:
                raise
            await problem_response(internal_problem())(scope, receive, watched)
        finally:
            self._observe(scope, watched)

    def _observe(self, scope: Scope, watched: "_Watched") -> None:
        route = scope.get("route")
        path = getattr(route, "path", "(none)")
        self._metrics.observe(_method(scope), path, watched.status, seconds=watched.seconds)


def _limit(path: str) -> int:
    return MAX_BATCH_BODY if path.startswith(FORWARDED_PATH) else _LIMITS.get(path, MAX_BODY)


def _method(scope: Scope) -> str:
    # Whatever a client sends as a method must not become a new time series.
    known = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
    return scope["method"] if scope["method"] in known else "other"


class _Watched:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._began = time.perf_counter()
        self.status = 0
        self.seconds = 0.0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.seconds = time.perf_counter() - self._began
        await self._send(message)


class _Limited:
    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._whole = False

    async def __call__(self) -> Message:
        message = await self._next()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                await self._drain(message)
                raise TooLarge(
                    f"the body has more than {self._limit:,} bytes, the limit here",
                    where="body",
                    mend="send less at once: data belongs in files beside the job, and many jobs"
                    f" go to {BATCH_PATH} (at most {MAX_BATCH_BODY:,} bytes)",
                )
        return message

    async def _next(self) -> Message:
        """The next message; while the body is not whole, it may not keep us waiting."""
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), BODY_SILENCE_S)
        except TimeoutError:
            raise MalformedBody(
                f"nothing of the body came for {BODY_SILENCE_S:g} s",
                where="body",
                mend="send as many bytes as Content-Length says, without long breaks",
            ) from None
        self._whole = not message.get("more_body", False)
        return message

    async def _drain(self, message: Message) -> None:
        while message.get("more_body") and self._seen < self._limit + MAX_DRAINED:
            message = await self._next()
            self._seen += len(message.get("body", b""))
