"""Tokens, scopes, and who may ask a server that needs none."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from suan.api import Services, create_app
from suan.api.auth import CACHE_S, bootstrap_token, digest_of, new_secret
from suan.api.services import ApiSettings
from suan.model.store import Store, Token
from suan.model.units import SECOND
from tests.api.conftest import NO_FETCHER, NOTHING, NOW, Api, client
from tests.api.loop import TestLoop
from tests.api.test_submit import problem


@dataclass
class Guarded:
    """A server that needs tokens, and a clock that a test turns."""

    store: Store
    http: httpx.AsyncClient
    now: int = NOW

    async def token(self, scope: str, user: str = "ada", **times: int) -> str:
        secret = new_secret(lambda n: (scope + user).encode().ljust(n, b"x")[:n])
        token = Token(f"t-{scope}-{user}", f"{user}'s", scope, user, NOW, **times)
        await self.store.tokens.create(token, digest_of(secret))
        return secret

    async def ask(self, secret: str, path: str = "/v1/jobs", **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"}
        method = str(more.pop("method", "GET"))
        return await self.http.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


@pytest.fixture
async def guarded(store: Store) -> AsyncIterator[Guarded]:
    made = Guarded(store, None)  # type: ignore[arg-type]
    settings = ApiSettings(bind_host="0.0.0.0")
    app = create_app(Services(store, TestLoop(), lambda: made.now, NOTHING, NO_FETCHER, settings))
    async with client(app) as http:
        made.http = http
        yield made


async def test_beyond_loopback_a_token_is_needed(guarded: Guarded) -> None:
    answer = await guarded.http.get("/v1/jobs")
    assert "SUAN_TOKEN" in problem(answer, 401, "unauthenticated")["mend"]
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await guarded.http.get("/v1/health")).status_code in (200, 503)
    problem(await guarded.http.get("/metrics"), 401, "unauthenticated")


@pytest.mark.parametrize("header", ["Bearer nope", "Basic suan_x", "suan_x", "", "Bearer"])
async def test_what_is_no_token(guarded: Guarded, header: str) -> None:
    answer = await guarded.http.get("/v1/jobs", headers={"Authorization": header})
    assert "no suan token" in problem(answer, 401, "unauthenticated")["detail"]


async def test_a_wrong_token(guarded: Guarded) -> None:
    secret = await guarded.token("admin")
    found = problem(await guarded.ask(secret[:-1] + "A"), 401, "unauthenticated")
    assert "not known" in found["detail"]
    assert secret not in str(found)


async def test_an_expired_token(guarded: Guarded) -> None:
    secret = await guarded.token("viewer", expires_at=NOW + SECOND)
    assert (await guarded.ask(secret)).status_code == 200
    guarded.now += SECOND
    assert "expired" in problem(await guarded.ask(secret), 401, "token_expired")["detail"]


async def test_a_revoked_token(guarded: Guarded) -> None:
    secret = await guarded.token("viewer", revoked_at=NOW)
    problem(await guarded.ask(secret), 401, "token_revoked")
    assert CACHE_S < 5, "a revocation by another server must bite within five seconds"


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("viewer", "POST", "/v1/jobs"),
        ("viewer", "POST", "/v1/jobs/batch"),
        ("viewer", "POST", "/v1/jobs/0000000000aa/cancel"),
        ("submitter", "POST", "/v1/pools/lab/drain"),
        ("submitter", "PUT", "/v1/queues/q"),
        ("submitter", "PUT", "/v1/tenants/lab/vision"),
        ("submitter", "PUT", "/v1/limits/ann"),
        ("submitter", "POST", "/v1/reservations"),
        ("submitter", "DELETE", "/v1/reservations/repair"),
        ("operator", "GET", "/v1/tokens"),
        ("operator", "POST", "/v1/tokens"),
        ("operator", "DELETE", "/v1/tokens/x"),
    ],
)
async def test_a_token_that_is_too_weak(
    guarded: Guarded, scope: str, method: str, path: str
) -> None:
    answer = await guarded.ask(await guarded.token(scope), path, method=method)
    assert f"the token has {scope}" in problem(answer, 403, "forbidden")["detail"]


async def test_a_submitter_cancels_only_his_own_jobs(guarded: Guarded) -> None:
    ada, bob = await guarded.token("submitter"), await guarded.token("submitter", "bob")
    body = {"run": "true"}
    job = (await guarded.ask(ada, method="POST", json=body)).json()["id"]
    path = f"/v1/jobs/{job}/cancel"
    assert "ada" in problem(await guarded.ask(bob, path, method="POST"), 403, "forbidden")["detail"]
    assert (await guarded.ask(ada, path, method="POST")).status_code == 202
    operator = await guarded.token("operator", "olga")
    assert (await guarded.ask(operator, path, method="POST")).status_code == 202


async def test_the_stated_user_counts_for_nothing_beside_a_token(guarded: Guarded) -> None:
    headers = {"Authorization": f"Bearer {await guarded.token('submitter')}", "X-Suan-User": "eve"}
    made = await guarded.http.post("/v1/jobs", json={"run": "x"}, headers=headers)
    job = await guarded.store.get(made.json()["id"])
    assert job is not None
    assert job.user == "ada"


async def test_make_use_list_and_revoke(guarded: Guarded) -> None:
    admin = await guarded.token("admin")
    body = {"name": "ci", "scope": "viewer", "expires_in_s": 60}
    made = (await guarded.ask(admin, "/v1/tokens", method="POST", json=body)).json()
    assert made["secret"].startswith("suan_")
    assert made["user"] == "ci"
    assert (await guarded.ask(made["secret"])).status_code == 200
    listed = await guarded.ask(admin, "/v1/tokens")
    assert made["secret"] not in listed.text
    assert {token["name"] for token in listed.json()["tokens"]} == {"ci", "ada's"}
    gone = await guarded.ask(admin, f"/v1/tokens/{made['id']}", method="DELETE")
    assert (gone.status_code, gone.content) == (204, b"")
    problem(await guarded.ask(made["secret"]), 401, "token_revoked")
    again = await guarded.ask(admin, f"/v1/tokens/{made['id']}", method="DELETE")
    problem(again, 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "x", "scope": "root"},
        {"name": "a b", "scope": "viewer"},
        {"name": "x", "scope": "viewer", "expires_in_s": 0},
        {"name": "x", "scope": "viewer", "more": 1},
    ],
)
async def test_a_token_that_cannot_be_made(api: Api, body: dict[str, object]) -> None:
    problem(await api.http.post("/v1/tokens", json=body), 422, "invalid_input")
    assert await api.store.tokens.list() == ()


async def test_a_secret_is_kept_only_as_a_hash(api: Api, tmp_path_factory: object) -> None:
    body = {"name": "x", "scope": "viewer"}
    secret = (await api.http.post("/v1/tokens", json=body)).json()["secret"]
    found = await api.store.tokens.find(digest_of(secret))
    assert found is not None
    assert secret not in repr(found)


async def test_the_first_token_is_made_once(store: Store) -> None:
    secret = await bootstrap_token(store, NOW, lambda n: b"\1" * n)
    assert secret is not None
    found = await store.tokens.find(digest_of(secret))
    assert found is not None
    assert found.scope == "admin"
    assert await bootstrap_token(store, NOW, lambda n: b"\2" * n) is None
    await store.tokens.revoke(found.id, NOW)
    assert await bootstrap_token(store, NOW, lambda n: b"\3" * n) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:7826"},
        {"Host": ""},
        {"Host": "[bad"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_no_web_page_reaches_a_server_without_tokens(
    api: Api, headers: dict[str, str]
) -> None:
    problem(await api.http.get("/v1/jobs", headers=headers), 403, "forbidden")
    problem(await api.http.post("/v1/jobs", json={"run": "x"}, headers=headers), 403, "forbidden")


@pytest.mark.parametrize("host", ["localhost:7826", "127.0.0.1", "[::1]:7826", "127.1.2.3:1"])
async def test_the_machines_own_names_are_good(api: Api, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert (await api.http.get("/v1/jobs", headers=headers)).status_code == 200


async def test_a_token_is_checked_even_where_none_is_needed(api: Api) -> None:
    answer = await api.http.get("/v1/jobs", headers={"Authorization": "Bearer suan_old"})
    assert "$SUAN_HOME/token" in problem(answer, 401, "unauthenticated")["mend"]
