"""What the workers of one test run share: a server that the first starts and the last ends."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def shared_among_workers(state: Path) -> Iterator[dict]:
    """What the workers of a test run know together, for one of them at a time: at first that nobody
    uses it (``count`` 0)."""
    with state.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = json.loads(file.read() or '{"count": 0}')
        yield users
        file.seek(0)
        file.truncate()
        file.write(json.dumps(users))
        file.flush()
