"""What goes over the wire and what is made of the answer, without any I/O."""

import contextlib
import json
from pathlib import Path

import msgspec
import pytest

import suan
import suan.client
from suan.client import calls, discovery, retry
from suan.client.decode import failure, parse
from suan.client.errors import AccessDenied, BadReply, Conflict, ServerError, ServerUnreachable
from suan.client.jobs import of, several
from suan.client.sse import Message, Parser
from suan.client.wire import Reply, request
from suan.model.errors import InputError, NotFound, SuanError
from suan.model.spec import JobSpec
from suan.model.views import JobList, SubmittedView

HERE = discovery.Endpoint("http://127.0.0.1:7826", "suan_t", "ann", "test")
SUBMITTED = b'{"id":"a","jobs":["a"],"repeated":false,"warnings":[],"of_a_later_version":1}'


def problem(code: str, **more: object) -> bytes:
    body = {"type": "x", "title": "x", "status": 400, "code": code, "detail": "it is wrong"}
    return json.dumps(body | more).encode()


def test_all_that_is_promised_is_there() -> None:
    for package in (suan, suan.client):
        assert sorted(package.__all__) == sorted(set(package.__all__))
        for name in package.__all__:
            assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        suan.client.Nonsense  # noqa: B018 # looking is the test


def test_a_request_carries_who_asks() -> None:
    sent = request(calls.page({"state": ["pending", "running"], "user": "王 x"}, None, 10), HERE)
    assert sent.url == (
        "http://127.0.0.1:7826/v1/jobs?state=pending&state=running&user=%E7%8E%8B+x&limit=10"
    )
    assert sent.headers["Authorization"] == "Bearer suan_t"
    assert sent.headers["X-Suan-User"] == "ann"


def test_a_job_name_cannot_leave_its_place_in_the_path() -> None:
    assert calls.get("../tokens?x=1#y").path == "/v1/jobs/..%2Ftokens%3Fx%3D1%23y"
    assert calls.get("").path == "/v1/jobs/%20"


def test_one_job_goes_alone_and_several_in_a_batch() -> None:
    spec = JobSpec(run="true")
    alone, batch = calls.submit((spec,), "k"), calls.submit((spec, spec), None)
    assert alone.path == "/v1/jobs"
    assert msgspec.json.decode(alone.content or b"", type=JobSpec) == spec
    assert batch.path == "/v1/jobs/batch"
    assert len(json.loads(batch.content or b"")["jobs"]) == 2
    assert ("Idempotency-Key", "k") in alone.headers
    assert (alone.repeatable, batch.repeatable) == (True, False)


def test_fields_of_a_later_version_are_no_error() -> None:
    assert calls.submit((), "k").decode(Reply(201, {}, SUBMITTED)) == SubmittedView("a", ("a",))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"<html>", b"\xff\xfe", b'{"id":1,"jobs":[]}', b"{" * 9999]
)
def test_an_answer_that_is_not_ours_is_told(body: bytes) -> None:
    with pytest.raises(BadReply):
        calls.submit((), "k").decode(Reply(200, {}, body))
    with pytest.raises(BadReply):
        calls.pools().decode(Reply(200, {}, body))
    assert isinstance(failure(500, {}, body), BadReply)


KINDS = [
    (400, "invalid_input", InputError),
    (413, "too_large", InputError),
    (422, "invalid_input", InputError),
    (404, "not_found", NotFound),
    (401, "unauthenticated", AccessDenied),
    (401, "token_expired", AccessDenied),
    (401, "token_revoked", AccessDenied),
    (403, "forbidden", AccessDenied),
    (409, "conflict", Conflict),
    (503, "store_unavailable", ServerError),
    (507, "store_full", ServerError),
    (500, "internal", ServerError),
    (500, "of_a_later_version", ServerError),
]


@pytest.mark.parametrize(("status", "code", "kind"), KINDS)
def test_every_problem_is_an_exception(status: int, code: str, kind: type[SuanError]) -> None:
    error = failure(status, {}, problem(code, where="body.run", mend="write one"))
    assert type(error) is kind
    assert error.code == code
    assert (error.message, error.mend) == ("it is wrong", "write one")
    assert getattr(error, "where", None) == "body.run"


def test_an_ill_server_still_tells_its_health() -> None:
    body = b'{"status":"unhealthy","checks":{"store":"locked"}}'
    assert calls.health().decode(Reply(503, {}, body))["checks"] == {"store": "locked"}
    with pytest.raises(ServerError):
        calls.health().decode(Reply(503, {}, problem("internal")))


def test_only_what_is_safe_and_may_help_is_repeated() -> None:
    broke, nobody = ServerUnreachable("broke"), ServerUnreachable("nobody", refused=True)
    busy = ServerError("busy", code="store_unavailable", status=503)
    busy.retry_after_s = 2.0
    full = ServerError("full", code="store_full", status=507)
    safe, unsafe = calls.server(), calls.create_token({"name": "x"})
    assert retry.pause(safe, broke, 0) == retry.PAUSES_S[0]
    assert retry.pause(safe, busy, 0) == 2.0
    assert retry.pause(safe, broke, len(retry.PAUSES_S)) is None
    assert retry.pause(safe, nobody, 0) is None
    assert retry.pause(safe, full, 0) is None
    assert retry.pause(unsafe, broke, 0) is None


def test_patience_ends_and_is_renewed() -> None:
    patience, error = retry.Patience(1.0), ServerUnreachable("away", refused=True)
    now = 100.0
    with contextlib.suppress(ServerUnreachable):
        while now < 200.0:
            now += patience.pause(error, now)
    assert 100.0 < now <= 101.0
    patience.renew()
    assert patience.pause(error, now) == retry.FIRST_LOOK_S
    with pytest.raises(NotFound):  # what will not pass is not waited for
        patience.pause(NotFound("gone"), now)


def test_a_silent_stream_that_held_counts_as_an_answer() -> None:
    patience, error = retry.Patience(1.0), ServerUnreachable("away")
    patience.pause(error, 0.0)
    patience.opened(0.5)
    assert patience.pause(error, 60.5) == retry.FIRST_LOOK_S


FEED = (
    b": hi\n\nid: 1\nevent: a.b\ndata: {}\n\n"
    b"data: x\r\ndata: y\r\n\r\nid: 3\n\nid: 4\ndata: \xe7\xae\x97\n\n"
)
MESSAGES = [
    Message("1", "a.b", "{}"),
    Message("1", "message", "x\ny"),
    Message("4", "message", "算"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    parser = Parser()
    pieces = [FEED[start : start + size] for start in range(0, len(FEED), size)]
    assert [message for piece in pieces for message in parser.feed(piece)] == MESSAGES


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SUAN_SERVER", "SUAN_TOKEN", "SUAN_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUAN_HOME", str(tmp_path))
    return tmp_path


def test_the_server_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServerUnreachable, match="no server is known"):
        discovery.find()
    (home / "server.json").write_text('{"url": "http://127.0.0.1:1/", "pid": 1}')
    (home / "token").write_text(" suan_abc\n")
    found = discovery.find()
    assert (found.url, found.token) == ("http://127.0.0.1:1", "suan_abc")
    monkeypatch.setenv("SUAN_SERVER", "https://far.example:8")
    monkeypatch.setenv("SUAN_TOKEN", "suan_env")
    found = discovery.find()
    assert (found.url, found.token) == ("https://far.example:8", "suan_env")
    assert discovery.find("http://given:9", "suan_given").url == "http://given:9"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 3}', "\x00"])
def test_a_damaged_record_is_told(home: Path, text: str) -> None:
    (home / "server.json").write_text(text)
    with pytest.raises(InputError) as caught:
        discovery.find()
    assert caught.value.where == str(home / "server.json")


@pytest.mark.parametrize("url", ["foo", "ftp://x", "http://", "http://x:99999", "http://[::1"])
def test_a_url_that_is_none_is_told(home: Path, url: str) -> None:
    with pytest.raises(InputError, match="not the URL"):
        discovery.find(url)


@pytest.mark.parametrize("token", ["suan_\nX: y", "suan_算", "a\x00b"])
def test_a_token_cannot_smuggle_a_header(home: Path, token: str) -> None:
    with pytest.raises(InputError, match="token"):
        discovery.find("http://x", token)


@pytest.mark.parametrize(
    ("name", "sent"),
    [("ann", "ann"), ("a b", "a_b"), ("王五", "__"), ("-x", "_x"), ("é" * 99, "_" * 64)],
)
def test_any_user_name_becomes_one_the_api_takes(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, sent: str
) -> None:
    from suan.api.auth import USER

    monkeypatch.setenv("SUAN_USER", name)
    assert discovery.find("http://x").user == sent
    assert USER.fullmatch(sent)


def test_jobs_come_from_specs_texts_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "two.yaml"
    path.write_text("name: pair\n---\nrun: echo 1\n---\nrun: echo 2\n")
    spec = JobSpec(run="x")
    found = several([spec, "run: echo t\nname: text\n", path])
    assert [one.run.strip() for one in found] == ["x", "echo t", "echo 1", "echo 2"]
    with pytest.raises(InputError) as caught:
        of(tmp_path / "none.yaml")
    assert "none.yaml" in caught.value.where
    with pytest.raises(InputError):
        several([])


def test_a_page_decodes_into_views() -> None:
    body = (
        b'{"jobs":[{"id":"a","name":"n","state":"pending","user":"u","tenant":"t","queue":"q",'
        b'"priority":0,"num_nodes":1,"resources":"cpus 1",'
        b'"submitted_at":"2026-01-02T03:04:05.000006Z"}],"next_cursor":null}'
    )
    (job,) = parse(body, JobList).jobs
    assert job.submitted_at.microsecond == 6
    assert job.submitted_at.tzinfo is not None
