"""The line to a login node: one process, kept open, many requests at once."""

import asyncio
import json
import shlex
import sys
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from suan.model.errors import (
    PoolAuthError,
    PoolError,
    PoolOutcomeUnknown,
    PoolRejected,
    PoolUnavailable,
)
from suan.pools.slurm import shipping

_ERRORS: dict[str, type[PoolError]] = {
    "unavailable": PoolUnavailable,
    "rejected": PoolRejected,
    "unknown": PoolOutcomeUnknown,
    "auth": PoolAuthError,
}
_SSH_OPTIONS = (
    "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15",
    "-o", "ServerAliveCountMax=3",
)  # fmt: skip
_LONGEST_LINE = 256 << 20
_CLOSING_S = 3.0
_LAST_WORDS_S = 0.5  # what ssh says as it ends may be read after its end is seen
_KEPT_WORDS = 4096


def command(host: str | None, python: str) -> list[str]:
    """How the program is started: here, or through ssh with the user's own configuration."""
    if host is None:
        return [sys.executable, "-c", shipping.BOOT]
    remote = f"exec {python} -c {shlex.quote(shipping.BOOT)}"
    return ["ssh", *_SSH_OPTIONS, host, remote]


class Connection:
    """Starts the program on first use, and again after it has ended. Belongs to one event loop."""

    def __init__(
        self, argv: list[str], settings: dict[str, object], *, hear: Callable[[], None]
    ) -> None:
        self._argv = argv
        self._settings = settings
        self._hear = hear
        self._process: asyncio.subprocess.Process | None = None
        self._opening = asyncio.Lock()
        self._ready: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._numbers = count(1)
        self._said = b""

    async def ask(self, do: str, **what: object) -> Any:
        """One request's answer.

        Raises:
            PoolError: as the program says; if the line breaks, a launch's outcome is unknown.
        """
        process = await self._open()
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = do, future
        line = json.dumps({"id": number, "do": do, "with": what}).encode() + b"\n"
        try:
            assert process.stdin is not None
            process.stdin.write(line)
            await process.stdin.drain()
            return await future
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._broken(do) from error
        finally:
            self._waiting.pop(number, None)
            future.cancel()

    async def close(self) -> None:
        """End the program; what it has started goes on."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                async with asyncio.timeout(_CLOSING_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSING_S)

    async def _open(self) -> asyncio.subprocess.Process:
        async with self._opening:
            if self._process is not None:
                return self._process
            self._said = b""
            process = await self._start()
            self._ready = asyncio.get_running_loop().create_future()
            errors = self._spawn(self._listen_to_errors(process))
            self._spawn(self._listen(process, errors))
            assert process.stdin is not None
            process.stdin.write(shipping.first_words(self._settings))
            await self._ready
            self._process = process
            return process

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise PoolUnavailable(f"{self._argv[0]} cannot be run: {error.strerror}") from error

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _listen(
        self, process: asyncio.subprocess.Process, errors: asyncio.Task[None]
    ) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                if not self._heard(line):
                    break
        except (ValueError, OSError):
            process.kill()
        await process.wait()
        await asyncio.wait({errors}, timeout=_LAST_WORDS_S)
        self._lost(process)

    def _heard(self, line: bytes) -> bool:
        """Take one line; ``False`` if it is no answer of the program's."""
        try:
            answer = json.loads(line)
        except ValueError:
            return True  # what a login shell prints before the program begins
        if "news" in answer:
            self._hear()
        elif "ready" in answer:
            self._is_ready()
        elif "id" in answer:
            _, future = self._waiting.get(answer["id"], ("", None))
            if future is not None and not future.done():
                _settle(future, answer)
        elif self._ready is not None and not self._ready.done():
            self._ready.set_exception(_error(answer["error"]))
            return False
        return True

    def _is_ready(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def _listen_to_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(65536):
            self._said = (self._said + data)[-_KEPT_WORDS:]

    def _lost(self, process: asyncio.subprocess.Process) -> None:
        if self._process is process:
            self._process = None
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(self._broken("observe"))
        for do, future in self._waiting.values():
            if not future.done():
                future.set_exception(self._broken(do))
        self._hear()

    def _broken(self, do: str) -> PoolError:
        """What it means that the line broke while something was asked."""
        lines = [line for line in self._said.decode("utf-8", "replace").splitlines() if line]
        said = lines[-1].strip() if lines else "the program on the login node ended"
        where = f"{self._argv[0]} {self._argv[-2]}" if self._argv[0] == "ssh" else "this machine"
        low = "\n".join(lines).lower()
        if "permission denied" in low or "host key verification failed" in low:
            mend = f"`{where} true` must work without a question: add a key, or the host's key"
            return PoolAuthError(f"{where}: {said}", mend=mend)
        if "python" in low and ("not found" in low or "no such file" in low):
            mend = "install Python 3.6 or newer there, or name it by `python` in pools.yaml"
            return PoolUnavailable(f"{where}: {said}", mend=mend)
        if do == "launch" and self._argv[0] != "ssh":
            return PoolOutcomeUnknown(f"{where}: {said}")
        if do == "launch" and "connect to host" not in low and "resolve" not in low:
            return PoolOutcomeUnknown(f"{where}: {said}")
        return PoolUnavailable(f"{where}: {said}", mend=f"see whether `{where} true` works")


def _settle(future: asyncio.Future[Any], answer: dict[str, Any]) -> None:
    if "error" in answer:
        future.set_exception(_error(answer["error"]))
    else:
        future.set_result(answer["ok"])


def _error(told: list[str]) -> PoolError:
    word, message, mend = told
    return _ERRORS.get(word, PoolOutcomeUnknown)(message, mend=mend)
