"""Both clients against servers that misbehave, over real sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from suan.client import AsyncClient, BadReply, Client, ServerUnreachable
from suan.client.plain import PlainSender
from suan.client.pooled import PooledSender
from suan.client.wire import Sender

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
EMPTY_PAGE = b'{"jobs":[],"next_cursor":null}'
SUBMITTED = b'{"id":"a","jobs":["a"]}'
SENDERS: list[Callable[[float], Sender]] = [PlainSender, PooledSender]


@contextmanager
def answering(*answers: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next answer and hangs up; ``None``: it says nothing
    until the test is over. Gives its URL and the requests that came."""
    over, seen = threading.Event(), list[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    seen.append(connection.recv(65536))
                    if answer is None:
                        over.wait(20)
                    else:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def ok(body: bytes) -> bytes:
    return OK % (len(body), body)


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize(
    "answer", [ok(b"garbage"), ok(b"[1]"), b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"]
)
def test_garbage_is_told_once(sender: Callable[[float], Sender], answer: bytes) -> None:
    with (
        answering(answer, answer) as (url, seen),
        Client(url, sender=sender(5)) as client,
        pytest.raises(BadReply),
    ):
        client.page()
    assert len(seen) == 1


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize(
    "broken", [b"", b"no http at all\r\n\r\n", OK % (500, b'{"jobs":'), b"HTTP/1.1 200 OK\r\nCont"]
)
def test_half_an_answer_is_asked_for_again(
    sender: Callable[[float], Sender], broken: bytes
) -> None:
    with (
        answering(broken, ok(EMPTY_PAGE)) as (url, seen),
        Client(url, sender=sender(5)) as client,
    ):
        assert client.page().jobs == ()
    assert len(seen) == 2


@pytest.mark.parametrize("sender", SENDERS)
def test_a_submission_is_repeated_with_its_key(sender: Callable[[float], Sender]) -> None:
    with answering(b"", ok(SUBMITTED)) as (url, seen), Client(url, sender=sender(5)) as client:
        assert client.submit("name: x\nrun: echo hi\n").id == "a"
    keys = [
        line
        for request in seen
        for line in request.split(b"\r\n")
        if b"idempotency" in line.lower()
    ]
    assert len(keys) == 2
    assert keys[0] == keys[1]


@pytest.mark.parametrize("sender", SENDERS)
def test_a_token_is_never_made_twice(sender: Callable[[float], Sender]) -> None:
    with (
        answering(b"", ok(b"{}")) as (url, seen),
        Client(url, sender=sender(5)) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.tokens.create("x", "viewer")
    assert len(seen) == 1


@pytest.mark.parametrize("sender", SENDERS)
def test_silence_is_told_with_its_length(sender: Callable[[float], Sender]) -> None:
    with (
        answering(None, None, None) as (url, _),
        Client(url, sender=sender(0.05)) as client,
        pytest.raises(ServerUnreachable, match=r"within 0\.05 s"),
    ):
        client.tokens.create("x", "viewer")


@pytest.mark.parametrize("sender", SENDERS)
def test_nobody_there_is_certain(sender: Callable[[float], Sender]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Client(url, sender=sender(5)) as client, pytest.raises(ServerUnreachable) as caught:
        client.page()
    assert caught.value.refused


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("sender", SENDERS)
def test_a_followed_log_goes_on_where_it_broke(sender: Callable[[float], Sender]) -> None:
    first, second = CHUNKED + b"5\r\nhello\r\n", CHUNKED + b"6\r\n world\r\n0\r\n\r\n"
    with answering(first, second) as (url, seen), Client(url, sender=sender(5)) as client:
        assert b"".join(client.logs("j", follow=True)) == b"hello world"
    assert b"offset=0" in seen[0]
    assert b"offset=5" in seen[1]


@pytest.mark.parametrize("sender", SENDERS)
def test_followed_events_come_once_each(sender: Callable[[float], Sender]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    event = b'id: %d\nevent: x\ndata: {"id":%d,"at":"2026-01-01T00:00:00Z","kind":"x"}\n\n'
    first = head + event % (1, 1) + b'id: 2\ndata: {"id":2,'
    second = head + event % (1, 1) + event % (2, 2)
    with answering(first, second) as (url, seen), Client(url, sender=sender(5)) as client:
        stream = client.events(follow=True)
        assert [next(stream).id, next(stream).id] == [1, 2]
    assert b"after=1" in seen[1]


async def test_the_async_client_does_the_same() -> None:
    first, second = CHUNKED + b"5\r\nhello\r\n", CHUNKED + b"6\r\n world\r\n0\r\n\r\n"
    with answering(b"", ok(EMPTY_PAGE), first, second) as (url, seen):
        async with AsyncClient(url, timeout_s=5) as client:
            assert (await client.page()).jobs == ()
            assert b"".join([c async for c in client.logs("j", follow=True)]) == b"hello world"
    assert len(seen) == 4


def test_both_clients_have_the_same_methods() -> None:
    def surface(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert surface(Client) == surface(AsyncClient)
