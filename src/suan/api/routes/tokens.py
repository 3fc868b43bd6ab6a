"""Access tokens: make, list, revoke."""

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented, problems
from suan.api.auth import Admin, digest_of, new_secret, token_id
from suan.api.body import read_json
from suan.api.openapi import json_body
from suan.api.requests import TokenRequest
from suan.api.services import context_of
from suan.api.views import token_view
from suan.model.errors import NotFound
from suan.model.store import Token
from suan.model.units import SECOND
from suan.model.views import TokenView

router = APIRouter(tags=["tokens"])


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
