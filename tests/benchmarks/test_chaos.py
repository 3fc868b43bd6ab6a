"""What the chaos benchmark says of a region is what its tasks wrote; what it breaks comes back."""

import json
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_chaos import Client, Held, judge, shares
from breakable import Wires, frozen, killed, nothing, pid_in
from wire import Wire

from tests.waiting import until


def client(*bodies: tuple[str, int]) -> Client:
    """Jobs by name (of the queue and a number), each with so many tasks, as if submitted."""
    made = Client([], random.Random(1))
    for name, tasks in bodies:
        made.jobs[name] = {"queue": name[0], "num_nodes": tasks}
    return made


def wrote(marks: Path, task: str, *lines: str) -> None:
    (marks / task).write_text("".join(f"{line}\n" for line in lines))


def test_what_ran_once_is_clean(tmp_path: Path) -> None:
    wrote(tmp_path, "a1.0", "a1-r1 start 1.0", "a1-r1 end 2.0")
    wrote(tmp_path, "a2.0", "a2-r1 start 1.0", "a2-r2 start 3.0", "a2-r2 end 4.0")
    found = judge(client(("a1", 1), ("a2", 1)), dict.fromkeys(("a1", "a2"), "succeeded"), tmp_path)
    assert (found.lost, found.doubled, found.half_gangs, found.wrong) == ([], [], [], [])
    assert found.again == 1  # a run was lost, and another one made


@pytest.mark.parametrize(
    ("tasks", "lines", "what"),
    [
        (1, {}, "lost"),
        (1, {0: ("x-r1 start 1.0",)}, "lost"),
        (1, {0: ("x-r1 start 1", "x-r1 end 2", "x-r2 start 3", "x-r2 end 4")}, "doubled"),
        (1, {0: ("x-r1 start 1", "x-r2 start 2", "x-r1 end 3")}, "doubled"),  # both at once
        (1, {0: ("x-r1 start 1", "x-r1 start 2", "x-r1 end 3")}, "doubled"),
        (2, {0: ("x-r1 start 1", "x-r1 end 2")}, "half_gangs"),
    ],
)
def test_what_went_wrong_is_told(
    tmp_path: Path, tasks: int, lines: dict[int, tuple[str, ...]], what: str
) -> None:
    for rank, said in lines.items():
        wrote(tmp_path, f"x.{rank}", *said)
    found = judge(client(("x", tasks)), {"x": "succeeded"}, tmp_path)
    faults = {name: getattr(found, name) for name in ("lost", "doubled", "half_gangs")}
    assert [name for name, jobs in faults.items() if jobs] == [what]


def test_what_did_not_succeed_is_told(tmp_path: Path) -> None:
    wrote(tmp_path, "x.0", "x-r1 start 1", "x-r1 end 2")
    assert judge(client(("x", 1)), {"x": "running"}, tmp_path).wrong == ["x: running"]


def test_shares_count_while_two_or_more_demand() -> None:
    """Until 10 all three demand, until 20 b and c; afterwards c is alone."""
    runs = [
        Held("a", 2, 0, 10),
        Held("a", 1, 10, 12),
        Held("b", 1, 0, 10),
        Held("b", 1, 10, 20),
        Held("b", 1, 20, 22),
        Held("c", 1, 0, 10),
        Held("c", 2, 10, 20),
        Held("c", 1, 30, 40),
    ]
    first, second = shares(runs, {"": 1})
    assert first.due == {"a": 0.5, "b": 0.25, "c": 0.25}
    assert first.received == first.due
    assert (first.seconds, first.error) == (10, 0)
    assert second.due == {"b": 0.5, "c": 0.5}
    assert second.received == pytest.approx({"b": 1 / 3, "c": 2 / 3})
    assert second.error == pytest.approx(1 / 6)


def test_a_queues_share_is_that_of_the_model_it_has_most_of() -> None:
    """All of the one A is as much as all of the four B."""
    runs = [Held("a", 4, 0, 9, "B"), Held("b", 1, 0, 9, "A"), Held("c", 1, 0, 9, "A")]
    runs += [Held(queue, 1, 10, 11, "A") for queue in "abc"]
    (found,) = shares(runs, {"A": 1, "B": 4})
    assert found.received == {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that says back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(near,), daemon=True).start()

        def answer(near: socket.socket) -> None:
            with near:
                while data := near.recv(100):
                    near.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def says(line: socket.socket, word: bytes) -> bytes:
    line.sendall(word)
    return line.recv(100)


@pytest.mark.enable_socket
def test_a_line_is_cut_and_held_up_and_mended(echo: tuple[str, int]) -> None:
    wire = Wire(echo)
    with socket.create_connection(("127.0.0.1", wire.port), timeout=30) as line:
        assert says(line, b"one") == b"one"
        go_on = wire.hold()
        line.sendall(b"two")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(100)
        line.settimeout(30)
        go_on()
        assert line.recv(100) == b"two"
        mend = wire.cut()
        assert line.recv(100) == b""
    with socket.create_connection(("127.0.0.1", wire.port), timeout=30) as line:
        assert line.recv(100) == b""  # nobody is connected
    mend()
    with socket.create_connection(("127.0.0.1", wire.port), timeout=30) as line:
        assert says(line, b"three") == b"three"
    wire.close()


def test_processes_are_frozen_and_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        file.write_text(str(process.pid))
        try:
            go_on = frozen(pid_in(file))
            assert go_on is not None
            until(lambda: state(process.pid) == "T", what="its standing still")
            go_on()
            until(lambda: state(process.pid) != "T", what="its going on")
            assert killed(pid_in(file), nothing) is nothing
        finally:
            process.kill()
        assert process.wait(30) == -9
    assert killed(pid_in(file), nothing) is None  # there is nobody any more
    assert frozen(pid_in(tmp_path / "absent")) is None


def state(pid: int) -> str:
    """A process's, as the kernel names it: ``T`` is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.enable_socket
def test_pools_are_reached_through_lines_that_break(tmp_path: Path) -> None:
    (tmp_path / "admin.conf").write_text('  cluster: {server: "https://10.1.2.3:6443", ca: x}\n')
    file = tmp_path / "pools.yaml"
    declared = [
        {"name": "k", "kind": "kubernetes", "kubeconfig": f"{tmp_path}/admin.conf"},
        {"name": "r", "kind": "ray", "address": "http://127.0.0.1:8265"},
        {"name": "l", "kind": "local"},
    ]
    file.write_text(json.dumps({"pools": declared}))
    wires = Wires(tmp_path)
    cluster, ray, here = wires.rewire(file, tmp_path / "marks")
    assert {name: wire.target for name, wire in wires.by_pool.items()} == {
        "k": ("10.1.2.3", 6443),
        "r": ("127.0.0.1", 8265),
    }
    assert ray["address"] == f"http://127.0.0.1:{wires.by_pool['r'].port}"
    text = Path(cluster["kubeconfig"]).read_text()
    assert f'server: "https://127.0.0.1:{wires.by_pool["k"].port}"' in text
    assert 'tls-server-name: "10.1.2.3", ca: x' in text
    assert here == {"name": "l", "kind": "local"}
    wires.close()
