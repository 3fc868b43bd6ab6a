"""Access tokens: make, list, revoke."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented, problems
from suan.api.auth import SCOPES, USER, Admin, digest_of, new_secret, token_id
from suan.api.body import read_json
from suan.api.openapi import json_body
from suan.api.services import context_of
from suan.api.views import token_view
from suan.model.errors import NotFound
from suan.model.store import Token
from suan.model.units import SECOND
from suan.model.views import TokenView

router = APIRouter(tags=["tokens"])
MAX_LIFE_S = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token to make. ``user`` is who it acts for: by default, its name."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    scope: str
    user: str | None = None
    expires_in_s: int | None = None

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ValueError(f"scope: {self.scope[:40]!r} is not one of {', '.join(SCOPES)}")
        for field, value in (("name", self.name), ("user", self.user)):
            if value is not None and not USER.fullmatch(value):
                raise ValueError(f"{field}: use letters, digits and . _ @ + -, at most 64")
        if self.expires_in_s is not None and not 1 <= self.expires_in_s <= MAX_LIFE_S:
            raise ValueError(f"expires_in_s: must be from 1 to {MAX_LIFE_S} seconds")


@router.post(
    "/v1/tokens",
    status_code=201,
    responses=documented(201, TokenView, examples.TOKEN),
    openapi_extra=json_body("TokenRequest", examples.TOKEN_REQUEST, "admin"),
)
async def create_token(request: Request, _: Admin) -> Response:
    """Make a token. Its secret is in this answer and nowhere else."""
    asked = await read_json(request, TokenRequest)
    context = context_of(request)
    now, random_bytes = context.now(), context.services.random_bytes
    life = asked.expires_in_s
    token = Token(
        id=token_id(random_bytes),
        name=asked.name,
        scope=asked.scope,
        user=asked.user or asked.name,
        created_at=now,
        expires_at=now + life * SECOND if life is not None else None,
    )
    secret = new_secret(random_bytes)
    await context.store.tokens.create(token, digest_of(secret))
    return answer(token_view(token, secret), 201, {"Cache-Control": "no-store"})


@router.get("/v1/tokens", responses=documented(200, dict[str, list[TokenView]], examples.TOKENS))
async def list_tokens(request: Request, _: Admin) -> Response:
    """Every token, revoked ones too; never a secret."""
    found = await context_of(request).store.tokens.list()
    return answer({"tokens": [token_view(token) for token in found]})


@router.delete(
    "/v1/tokens/{token_id}",
    status_code=204,
    responses={**problems("not_found"), 204: {"description": "Revoked"}},
)
async def revoke_token(request: Request, _: Admin, token_id: str) -> Response:
    """Revoke a token. It stops working here at once, on other servers within five seconds."""
    context = context_of(request)
    known = "\0" not in token_id and await context.store.tokens.revoke(token_id, context.now())
    if not known:
        raise NotFound(
            f"there is no token {token_id[:80]!r} to revoke",
            where="token_id",
            mend="see `suan token list`",
        )
    context.gate.forget()
    return Response(status_code=204)
