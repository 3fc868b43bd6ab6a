"""What is sent with a request to say who we are."""

import asyncio
import base64
import json
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from suan.model.errors import PoolAuthError

_READ_AGAIN_S = 60.0  # a pod's token changes within the hour
_PLUGIN_S = 60.0
_EARLY_S = 30.0
_MEND = "run the command that the kubeconfig names, and mend what it says"


class Tokens(Protocol):
    """One way to say it."""

    async def header(self) -> str | None:
        """The value of ``Authorization``.

        Raises:
            PoolAuthError: it cannot be had.
        """
        ...

    def refused(self) -> bool:
        """The server did not accept it. Whether another is worth a try."""
        ...


class Fixed:
    """A token that never changes, or none: then the certificate says who we are."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def header(self) -> str | None:
        return f"Bearer {self._token}" if self._token else None

    def refused(self) -> bool:
        return False


class Basic:
    """A name and a password, for a proxy that takes them."""

    def __init__(self, user: str, password: str) -> None:
        self._value = base64.b64encode(f"{user}:{password}".encode()).decode()

    async def header(self) -> str | None:
        return f"Basic {self._value}"

    def refused(self) -> bool:
        return False


class TokenFile:
    """A token in a file that somebody keeps fresh."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""
        self._read_at = float("-inf")

    async def header(self) -> str | None:
        if time.monotonic() - self._read_at > _READ_AGAIN_S:
            try:
                self._token = self._path.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise PoolAuthError(f"the token cannot be read: {error}") from error
            self._read_at = time.monotonic()
        return f"Bearer {self._token}"

    def refused(self) -> bool:
        self._read_at = float("-inf")
        return True


class Exec:
    """A token that a cloud's plugin prints, until it expires."""

    def __init__(self, told: dict[str, Any], cluster: dict[str, Any], folder: Path) -> None:
        command = str(told.get("command", ""))
        self._argv = [str(folder / command) if command.startswith(".") else command]
        self._argv += map(str, told.get("args") or ())
        version = told.get("apiVersion") or "client.authentication.k8s.io/v1"
        spec: dict[str, Any] = {"interactive": False}
        if told.get("provideClusterInfo"):
            spec["cluster"] = {
                "server": cluster.get("server"),
                "certificate-authority-data": cluster.get("certificate-authority-data"),
            }
        info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
        own = {str(each["name"]): str(each["value"]) for each in told.get("env") or ()}
        self._env = {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}
        self._token = ""
        self._until = float("-inf")
        self._lock = asyncio.Lock()

    async def header(self) -> str | None:
        async with self._lock:
            if time.time() >= self._until:
                await self._ask()
        return f"Bearer {self._token}"

    def refused(self) -> bool:
        self._until = float("-inf")
        return True

    async def _ask(self) -> None:
        said = await self._run()
        try:
            status = json.loads(said)["status"]
            token, until = status.get("token"), status.get("expirationTimestamp")
            expires = datetime.fromisoformat(until).timestamp() if until else float("inf")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PoolAuthError(f"{self._argv[0]} printed no credential", mend=_MEND) from error
        if not token:
            mend = "have the plugin give a token; client certificates from plugins are not taken"
            raise PoolAuthError(f"{self._argv[0]} gave no token", mend=mend)
        self._token, self._until = str(token), expires - _EARLY_S

    async def _run(self) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise PoolAuthError(f"{self._argv[0]} cannot be run: {error}", mend=_MEND) from error
        try:
            async with asyncio.timeout(_PLUGIN_S):
                said, complained = await process.communicate()
        except TimeoutError as late:
            process.kill()
            raise PoolAuthError(f"{self._argv[0]} did not answer", mend=_MEND) from late
        if process.returncode != 0:
            words = complained.decode("utf-8", "replace").strip().splitlines() or [
                "it said nothing"
            ]
            raise PoolAuthError(f"{self._argv[0]} failed: {words[-1]}", mend=_MEND)
        return said
