"""Puts the application together."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from suan.api.auth import Gate
from suan.api.edge import Edge
from suan.api.openapi import DESCRIPTION, TAGS, document
from suan.api.peering import PeerGate
from suan.api.problems import on_http_error, on_invalid_parameter, on_suan_error
from suan.api.queues import QueueBook
from suan.api.routes import ROUTERS
from suan.api.services import ApiContext, Services
from suan.model.errors import SuanError


def create_app(services: Services) -> FastAPI:
    """The API over ``services``. It owns nothing: the caller closes store and live loop."""
    settings = services.settings
    gate = Gate(
        services.store.tokens,
        tokens_required=settings.tokens_required,
        hosts=(*settings.allowed_hosts, settings.bind_host),
        clock=services.clock,
    )
    context = ApiContext(
        services, gate, QueueBook(services.store), PeerGate(services.store, services.clock)
    )
    app = routes_alone(settings.version)
    app.state.context = context
    app.add_exception_handler(SuanError, on_suan_error)
    app.add_exception_handler(RequestValidationError, on_invalid_parameter)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_middleware(Edge, metrics=context.metrics)
    return app


def routes_alone(version: str) -> FastAPI:
    """The routes and their OpenAPI document, with nothing behind them."""
    app = FastAPI(
        title="suan",
        version=version,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app
