"""A cluster by its ``slurmrestd``, with a JSON Web Token: no Slurm is needed on this side.

The run directories are shared with the nodes as ever. What the API lacks goes through them, too:
it signals no batch script, so a signal is a line in the run's file ``signals``, which its keepers
watch.
"""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH111, PTH118, PTH123

import base64
import binascii
import json
import os
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from suan.pools.slurm.login import restwords
from suan.pools.slurm.login.commands import Job, Slurm, Trouble, complaint

NEWEST, OLDEST = 45, 37
_NO_JOB = 67108863  # ids have 26 bits, and Slurm's own end below this one
_INVALID_JOB, _NO_ANSWER, _NOT_AUTHENTIC, _NO_DATABASE = 2017, 5005, 1007, 7000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN = {
    "node": ("nodes", restwords.node),
    "partition": ("partitions", restwords.partition),
    "reservation": ("reservations", restwords.reservation),
}
_ENDING = "COMPLETING", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"


class Rest(Slurm):
    """``way``: ``url``, ``user``, ``token_file`` or ``token_env``, and ``path`` if need be."""

    def __init__(self, way: "dict[str, str]", *, runs: str, timeout_s: float) -> None:
        self._url = way["url"].rstrip("/")
        self._user = way["user"]
        self._way = way
        self._runs = runs
        self._timeout_s = timeout_s
        self._known: int | None = None

    def version(self) -> str:
        meta = self._get("ping", "meta")
        release = (meta.get("Slurm") or meta.get("slurm") or {}).get("release", "of some release")
        return f"slurm {release}, by slurmrestd v0.0.{self._version()}"

    def show(self, what: str) -> "list[dict[str, str]]":
        if what == "topology":
            return []
        path, translate = _SHOWN[what]
        return [translate(each) for each in self._get(path, path)]

    def queue(self, user: str, name: "str | None" = None) -> "list[Job]":
        return [
            restwords.job(told)
            for told in self._get("jobs", "jobs")
            if told.get("user_name") == user and name in (None, told.get("name"))
        ]

    def submit(self, options: "list[str]", words: "list[str]", env: "dict[str, str]") -> str:
        body = restwords.submission(options, words, env, version=self._version())
        status, told = self._call("POST", self._path("job/submit"), body)
        if told.get("job_id"):
            return str(told["job_id"])
        raise self._trouble(status, told, submits=True)

    def try_submitting(self, options: "list[str]", script: str) -> str:
        restwords.submission(options, [script], {}, version=self._version())
        return "slurmrestd answers"

    def cancel(self, run: str, job: str, *how: str) -> None:
        for word in how:
            if word.startswith("--signal="):
                with open(os.path.join(self._runs, run, "signals"), "a") as file:
                    file.write(word[len("--signal=") :] + "\n")
                return
        status, told = self._call("GET", self._path("job/" + job))
        jobs = [restwords.job(each) for each in told.get("jobs") or ()]
        if any(each.name == run and each.state not in _ENDING for each in jobs):
            status, told = self._call("DELETE", self._path("job/" + job))
        if told.get("errors") and _INVALID_JOB not in map(_code, told["errors"]):
            raise self._trouble(status, told)

    def environment(self, extra: "dict[str, str]") -> "dict[str, str]":
        path = ":".join(filter(None, (self._way.get("path"), _PATH)))
        env = {"PATH": path, "USER": self._user}
        env.update(extra, SUAN_HEED="1")
        return env

    def forwards(self) -> bool:
        return True

    def _get(self, what: str, part: str) -> Any:
        """Part of an answer. Some versions leave it out, and so say that there is trouble."""
        status, told = self._call("GET", self._path(what))
        if status != 200 or told.get("errors") or part not in told:
            self._known = None
            raise self._trouble(status, told)
        return told[part]

    def _path(self, what: str) -> str:
        return f"/slurm/v0.0.{self._version()}/{what}"

    def _version(self) -> int:
        """The newest version of the API that both sides know and that works: v0.0.39 does nothing
        at all where there is no accounting."""
        if self._known is None:
            for version in range(NEWEST, OLDEST - 1, -1):
                status, told = self._call("GET", f"/slurm/v0.0.{version}/ping")
                if status in (401, 403):
                    raise self._trouble(status, told)
                codes = map(_code, told.get("errors") or ())
                if status != 404 and _NO_DATABASE not in codes:
                    self._known = version
                    return version
            said = f"{self._url} speaks no version of the API from v0.0.{OLDEST} to v0.0.{NEWEST}"
            mend = "mend `url`, or have slurmrestd started with a newer plug-in (`-s`)"
            raise Trouble("rejected", said, mend)
        return self._known

    def _call(
        self, method: str, path: str, body: "bytes | None" = None
    ) -> "tuple[int, dict[str, Any]]":
        """The status of an answer, and what it says.

        Raises:
            Trouble: there was none, or no token to ask with.
        """
        headers = {"X-SLURM-USER-NAME": self._user, "X-SLURM-USER-TOKEN": self._token()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        line = self._line()
        try:
            line.request(method, path, body=body, headers=headers)
            answer = line.getresponse()
            text = answer.read()
        except (OSError, HTTPException) as error:
            word = "unknown" if body is not None else "unavailable"
            said = f"{self._url} broke off: {str(error) or type(error).__name__}"
            raise Trouble(word, said, "see whether slurmrestd runs") from error
        finally:
            line.close()
        try:
            told = json.loads(text.decode("utf-8", "replace"))
        except ValueError:
            told = {"errors": [{"error": text.decode("utf-8", "replace").strip()[:300]}]}
        return answer.status, told if isinstance(told, dict) else {}

    def _line(self) -> HTTPConnection:
        """A connection that stands."""
        where = urlsplit(self._url)
        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        line = kind(str(where.hostname), where.port, timeout=self._timeout_s)
        try:
            line.connect()
        except OSError as error:
            said = f"{self._url} cannot be reached: {error}"
            mend = "mend `url` in pools.yaml, or start slurmrestd there"
            raise Trouble("unavailable", said, mend) from error
        return line

    def _token(self) -> str:
        """The token as it is now: it may have been renewed meanwhile."""
        try:
            if "token_file" in self._way:
                with open(os.path.expanduser(self._way["token_file"])) as file:
                    text = file.read()
            else:
                text = os.environ[self._way["token_env"]]
        except (OSError, KeyError) as error:
            raise Trouble("auth", f"there is no token: {error}", self._renew()) from error
        return text.strip().rpartition("SLURM_JWT=")[2]

    def _renew(self) -> str:
        place = self._way.get("token_file") or f"the variable {self._way.get('token_env')}"
        return f"`scontrol token username={self._user} lifespan=SECONDS` there, into {place}"

    def _trouble(self, status: int, told: "dict[str, Any]", submits: bool = False) -> Trouble:
        """What an answer with errors means for what was asked."""
        errors = told.get("errors") or []
        expired = _expired(self._token())
        if expired is not None:
            said = f"the token of {self._user} has expired, at {expired}"
            return Trouble("auth", said, self._renew())
        if status in (401, 403):
            return self._refused(self._url)
        if _NOT_AUTHENTIC in map(_code, errors):
            return self._refused("slurmctld")
        if not submits and all(_code(each) == -1 for each in errors):
            return self._unsaid()
        said = "; ".join(_said(each) for each in errors[:2]) or f"HTTP status {status}"
        return complaint("sbatch" if submits else "squeue", said)

    def _refused(self, who: str) -> Trouble:
        return Trouble("auth", f"{who} does not accept the token of {self._user}", self._renew())

    def _unsaid(self) -> Trouble:
        """Why slurmctld did not answer, which most of the API does not tell. The end of a job does,
        of one that cannot exist, and in later versions the nodes do."""
        old = self._version() <= restwords.OLD
        method, what = ("DELETE", f"job/{_NO_JOB}") if old else ("GET", "nodes")
        _, told = self._call(method, self._path(what))
        codes = [_code(each) for each in told.get("errors") or ()]
        if _NO_ANSWER in codes or _NOT_AUTHENTIC in codes:
            return self._refused("slurmctld")
        if _INVALID_JOB in codes or not codes:
            return Trouble("unavailable", "slurmctld did not answer slurmrestd in time")
        return complaint("squeue", "; ".join(map(_said, told["errors"])))


def _code(error: "dict[str, Any]") -> int:
    for name in ("error_number", "error_code", "errno"):
        if error.get(name) is not None:
            return int(error[name])
    return 0


def _said(error: "dict[str, Any]") -> str:
    parts = [str(error.get(name) or "") for name in ("description", "error")]
    return ": ".join(part for part in parts if part)


def _expired(token: str) -> "str | None":
    """When a token expired, by its own word and this machine's clock; ``None`` if it has not."""
    try:
        text = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
        end = float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None
    return None if end > time.time() else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end))
