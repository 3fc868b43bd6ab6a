"""The HTTP API: ``/v1``, as an ASGI application over a store and a live loop.

Contract: ``create_app(Services(...))`` gives a FastAPI application with no life of its own: it
opens nothing, starts nothing and closes nothing; whoever composes it does. Submitting never waits
for the leader. Every error leaves as one ``application/problem+json`` with a stable code.

Not for: deciding anything (``suan.core``), carrying anything out (``suan.control``), or reading
job files (``suan.jobfile``): this package translates between HTTP and those.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["ApiSettings", "Services", "bootstrap_token", "create_app"]

if TYPE_CHECKING:
    from suan.api.application import create_app
    from suan.api.auth import bootstrap_token
    from suan.api.services import ApiSettings, Services

_HOMES = {
    "create_app": "suan.api.application",
    "bootstrap_token": "suan.api.auth",
    "ApiSettings": "suan.api.services",
    "Services": "suan.api.services",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'suan.api' has no attribute {name!r}")
