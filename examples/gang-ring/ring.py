"""Ring all-reduce between the tasks of a gang, with sockets alone.

Task 0 listens at MASTER_ADDR:MASTER_PORT. Every task tells it where it listens itself and gets
everybody's address back; then each sends to the next in the ring and receives from the one before.
"""

import json
import os
import socket
import sys
import threading
import time
from array import array

RANK = int(os.environ["SKYPILOT_NODE_RANK"])
SIZE = int(os.environ["SKYPILOT_NUM_NODES"])
HOSTS = os.environ["SKYPILOT_NODE_IPS"].split()
MASTER = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
CHUNK = 25_000  # numbers each task owns
PATIENCE_S = 60.0


def connect(address: tuple[str, int]) -> socket.socket:
    """Connect to a task that may not have started yet."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection = socket.create_connection(address, timeout=PATIENCE_S)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return connection


def listen(host: str, port: int) -> socket.socket:
    server = socket.create_server((host, port), backlog=SIZE, reuse_port=False)
    server.settimeout(PATIENCE_S)
    return server


def receive(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError(f"task {RANK}: a neighbour hung up")
        data += piece
    return bytes(data)


def collect(meeting: socket.socket, own: list) -> list:
    """Task 0: gather every task's address, then tell everybody all of them."""
    table = {0: own}
    callers = []
    for _ in range(SIZE - 1):
        caller = meeting.accept()[0].makefile("rw")
        rank, address = json.loads(caller.readline())
        table[rank] = address
        callers.append(caller)
    addresses = [table[rank] for rank in range(SIZE)]
    for caller in callers:
        caller.write(json.dumps(addresses) + "\n")
        caller.flush()
    return addresses


def rendezvous(own: list) -> list:
    """The address at which each task listens, by rank."""
    if RANK == 0:
        with listen(*MASTER) as meeting:
            return collect(meeting, own)
    with connect(MASTER) as call, call.makefile("rw") as line:
        line.write(json.dumps([RANK, own]) + "\n")
        line.flush()
        return json.loads(line.readline())


def exchange(right: socket.socket, left: socket.socket, chunk: array) -> array:
    """Send a chunk to the right while receiving one from the left."""
    sender = threading.Thread(target=right.sendall, args=(chunk.tobytes(),))
    sender.start()
    received = array("q", receive(left, 8 * len(chunk)))
    sender.join()
    return received


def all_reduce(chunks: list[array], right: socket.socket, left: socket.socket) -> None:
    """Sum every chunk over all tasks, in place: reduce-scatter, then all-gather."""
    for step in range(SIZE - 1):
        into = (RANK - step - 1) % SIZE
        got = exchange(right, left, chunks[(RANK - step) % SIZE])
        chunks[into] = array("q", (a + b for a, b in zip(chunks[into], got, strict=True)))
    for step in range(SIZE - 1):
        chunks[(RANK - step) % SIZE] = exchange(right, left, chunks[(RANK - step + 1) % SIZE])


def main() -> int:
    with listen(HOSTS[RANK], 0) as server:
        addresses = rendezvous([HOSTS[RANK], server.getsockname()[1]])
        right = connect(tuple(addresses[(RANK + 1) % SIZE]))
        left = server.accept()[0]
    chunks = [array("q", ((RANK + 1) * (c * CHUNK + k) for k in range(CHUNK))) for c in range(SIZE)]
    with right, left:
        all_reduce(chunks, right, left)
    times = SIZE * (SIZE + 1) // 2  # 1 + 2 + … + SIZE, each task's factor
    wrong = sum(
        value != times * (c * CHUNK + k)
        for c, chunk in enumerate(chunks)
        for k, value in enumerate(chunk)
    )
    total = sum(map(sum, chunks))
    verdict = "correct" if not wrong else f"{wrong} WRONG"
    print(f"task {RANK} of {SIZE}: the sum over the ring is {total}, {verdict}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
