"""Ray's dashboard over HTTP: one call for each thing that suan needs of it."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from suan.model.errors import (
    PoolAuthError,
    PoolError,
    PoolOutcomeUnknown,
    PoolRejected,
    PoolUnavailable,
)

_PATIENCE_S = 20.0
_AT_ONCE = 16
_MANY = 10_000  # the most nodes and files that Ray lists
_LOG_ERROR = b"[get_logs] Fetch log error"
_MEND = "`address` in pools.yaml is the dashboard's, by default http://HEAD:8265"
_TOKEN = "put the cluster's token into a file and name it by `token_file` in pools.yaml"  # noqa: S105 - what to do about one


class AlreadyThere(Exception):
    """There is a job of this id."""


class Rest:
    """One cluster's dashboard. Belongs to one event loop from its first call.

    Every method raises ``PoolError``: of what changes nothing at Ray, only that it could not be
    asked; of what does, whether it may have happened.
    """

    def __init__(self, address: str, token_file: Path | None) -> None:
        self.address = address
        self._token_file = token_file
        self._client: httpx.AsyncClient | None = None

    async def version(self) -> dict[str, Any]:
        """Ray's version, and the session that this head has been running.

        Raises:
            PoolUnavailable: it answers, but is no Ray dashboard.
        """
        told = await self._json("GET", "/api/version")
        if not isinstance(told, dict) or "ray_version" not in told:
            raise PoolUnavailable(f"{self.address} answers, but is no Ray dashboard", mend=_MEND)
        return told

    async def jobs(self) -> list[dict[str, Any]]:
        """Every submitted job."""
        found = await self._json("GET", "/api/jobs/")
        return [job for job in found if job.get("submission_id")]

    async def job(self, submission: str) -> dict[str, Any] | None:
        """One job; ``None`` if there is none of this id."""
        answer = await self._ask("GET", f"/api/jobs/{submission}", absent_ok=True)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        job: dict[str, Any] = self._read(answer)
        return job

    async def submit(self, body: Mapping[str, Any]) -> None:
        """Submit a job.

        Raises:
            AlreadyThere: one of this id was submitted before.
            PoolRejected: Ray says that it is wrong.
        """
        answer = await self._ask("POST", "/api/jobs/", json=body, changes=True, wrong_ok=True)
        if answer.is_success:
            return
        said = answer.text.strip()
        if "already exists" in said:
            raise AlreadyThere
        if "No available agent" in said:
            raise PoolUnavailable(f"{self.address}: no node of the cluster takes jobs now")
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            raise PoolRejected(f"Ray refused the job: {_last_line(said)}")
        raise PoolOutcomeUnknown(f"{self.address}: {_last_line(said)}")

    async def stop(self, submission: str) -> bool:
        """Have Ray stop a job; whether there was something to stop."""
        path = f"/api/jobs/{submission}/stop"
        answer = await self._ask("POST", path, changes=True, absent_ok=True)
        return answer.is_success and bool(self._read(answer).get("stopped"))

    async def forget(self, submission: str) -> None:
        """Have Ray forget a job that has ended."""
        await self._ask("DELETE", f"/api/jobs/{submission}", absent_ok=True)

    async def job_log(self, submission: str) -> str:
        """What a job's own process wrote; empty if there is no such job, or its node is gone."""
        path = f"/api/jobs/{submission}/logs"
        answer = await self._ask("GET", path, absent_ok=True, wrong_ok=True)
        return str(self._read(answer).get("logs") or "") if answer.is_success else ""

    async def store(self, name: str, content: bytes) -> None:
        """Put a package, or a letter, into the cluster's store. Ray drops it when no job has needed
        it, and nobody has asked for it, for ten minutes."""
        await self._ask("PUT", f"/api/packages/gcs/{name}", content=content)
        await self.stored(name)

    async def stored(self, name: str) -> bool:
        """Whether there is one of this name; Ray keeps it for ten minutes more."""
        answer = await self._ask("GET", f"/api/packages/gcs/{name}", absent_ok=True)
        return answer.is_success

    async def nodes(self) -> list[dict[str, Any]]:
        """Every node, dead ones too."""
        query = {"detail": "true", "limit": str(_MANY)}
        told = await self._json("GET", "/api/v0/nodes", params=query)
        nodes: list[dict[str, Any]] = told["data"]["result"]["result"]
        return nodes

    async def usage(self) -> dict[str, dict[str, float]]:
        """What is in use on each node, by its id, under the names that Ray's JSON gives them."""
        told = await self._json("GET", "/api/cluster_status")
        report = ((told["data"] or {}).get("clusterStatus") or {}).get("loadMetricsReport") or {}
        by_node = report.get("usageByNode")
        if by_node is not None:
            return {
                node: {name: used for name, (used, _) in resources.items()}
                for node, resources in by_node.items()
            }
        told = await self._json("GET", "/nodes", params={"view": "summary"})
        texts: dict[str, str] = told["data"]["nodeLogicalResources"]
        return {node: dict(map(_usage, text.splitlines())) for node, text in texts.items()}

    async def log_files(self, node_ip: str, pattern: str) -> list[str]:
        """The log files of a node that fit a pattern, by their paths below Ray's log folder."""
        query = {"node_ip": node_ip, "glob": pattern}
        told = await self._json("GET", "/api/v0/logs", params=query)
        if not told.get("result"):
            raise PoolUnavailable(f"Ray gives no logs of node {node_ip}: {told.get('msg')}")
        groups: dict[str, list[str]] = told["data"]["result"]
        return sorted(name for group in groups.values() for name in group)

    async def log_file(self, node_ip: str, name: str) -> bytes | None:
        """A log file, whole; ``None`` if there is none of this name."""
        query = {"node_ip": node_ip, "filename": name, "lines": "-1", "format": "text"}
        answer = await self._ask("GET", "/api/v0/logs/file", params=query, wrong_ok=True)
        if answer.is_success and not answer.content.startswith(_LOG_ERROR):
            return answer.content
        said = _last_line(answer.text)
        if "is not found" in said:
            return None
        raise PoolUnavailable(f"Ray gives no logs of node {node_ip}: {said}")

    async def close(self) -> None:
        """Let go of the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _json(self, method: str, path: str, **what: Any) -> Any:
        return self._read(await self._ask(method, path, **what))

    def _read(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except json.JSONDecodeError as error:
            said = f"{self.address} answers, but is no Ray dashboard"
            raise PoolUnavailable(said, mend=_MEND) from error

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        changes: bool = False,
        absent_ok: bool = False,
        wrong_ok: bool = False,
        **what: Any,
    ) -> httpx.Response:
        try:
            answer = await self._connected().request(method, path, **what)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            said = f"{self.address} does not answer: {_said(error)}"
            raise PoolUnavailable(said, mend=f"see whether the head runs; {_MEND}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = f"{self.address}: {_said(error)}"
            raise _of_effect(changes)(said, mend=_MEND) from error
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise PoolAuthError(f"{self.address}: {_last_line(answer.text)}", mend=_TOKEN)
        if answer.status_code == HTTPStatus.NOT_FOUND and not absent_ok:
            said = f"{self.address} answers, but has no {path}"
            raise PoolUnavailable(
                said, mend=f"it must be Ray's dashboard, of ray[default]; {_MEND}"
            )
        if answer.is_error and not wrong_ok and answer.status_code != HTTPStatus.NOT_FOUND:
            raise _of_effect(changes)(f"{self.address}{path}: {_last_line(answer.text)}")
        return answer

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            headers = {}
            if self._token_file is not None:
                try:
                    token = self._token_file.read_text(encoding="utf-8").strip()
                except (OSError, UnicodeDecodeError) as error:
                    said = f"the token file {self._token_file} cannot be read: {error}"
                    raise PoolAuthError(said, mend=_TOKEN) from error
                headers["Authorization"] = f"Bearer {token}"
            self._client = httpx.AsyncClient(
                base_url=self.address,
                headers=headers,
                timeout=_PATIENCE_S,
                limits=httpx.Limits(max_connections=_AT_ONCE),
            )
        return self._client


def _of_effect(changes: bool) -> type[PoolError]:
    return PoolOutcomeUnknown if changes else PoolUnavailable


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip(". ")]
    return lines[-1].strip()[:300] if lines else "it said nothing"


_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def _usage(line: str) -> tuple[str, float]:
    """``1.5/8.0 GPU (…)`` or ``2.50GiB/64.00GiB memory``, as Ray writes it for people."""
    amount, name, *_ = line.split(" ")
    used = amount.partition("/")[0]
    number = used.rstrip("BKMGTi")
    return name, float(number) * _UNITS.get(used[len(number) :], 1)
