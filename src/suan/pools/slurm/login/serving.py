"""The program itself: requests in, answers out, one line of JSON each, in any order."""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: FURB188, PTH100, PTH103, PTH105, PTH110, PTH111, PTH118

import base64
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from suan.content.cache import Broken, Cache, Full, long_ago
from suan.content.outputs import Left, NoSuch
from suan.pools.slurm.login import files
from suan.pools.slurm.login.attempts import Attempts, write
from suan.pools.slurm.login.clusterview import Cluster
from suan.pools.slurm.login.commands import Commands, Slurm, Trouble
from suan.pools.slurm.login.launching import Asker, Launcher
from suan.pools.slurm.login.rest import Rest
from suan.pools.slurm.login.watching import Watching

_SUBMITTING_THREADS, _OTHER_THREADS = 4, 8
_SLURM_PATIENCE_S = 40.0
_SWEEP_EVERY_S = 3600.0
_STREAMS = "stdout", "stderr"


class Program:
    """One pool's program. ``settings`` are the first line that it reads."""

    def __init__(self, settings: "dict[str, Any]") -> None:
        directory = os.path.abspath(os.path.expanduser(str(settings["directory"])))
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._directory = directory
        self._settings = settings
        rest = settings.get("rest")
        settings["user"] = rest["user"] if rest else _user()
        settings["keeper"] = _keeper(directory, str(settings.pop("keeper_text")))
        conf = settings.get("conf")
        if conf and not os.path.exists(conf):
            mend = "mend `conf` in pools.yaml; without it the commands find their own"
            raise Trouble("rejected", f"there is no {conf} on the login node", mend)
        self._slurm = self._reached(rest, directory)
        cluster = Cluster(self._slurm, settings)
        self._cluster = cluster
        self._launcher = Launcher(self._slurm, cluster, directory=directory, settings=settings)
        self._watching = Watching(self._slurm, cluster, directory=directory, settings=settings)
        self._cache = Cache(os.path.join(directory, "content"))
        self._keep_s = float(settings["keep_s"])
        self._told = 0
        self._submitting = ThreadPoolExecutor(_SUBMITTING_THREADS)
        self._others = ThreadPoolExecutor(_OTHER_THREADS)
        self._writing = threading.Lock()

    def _reached(self, rest: "dict[str, str] | None", directory: str) -> Slurm:
        if rest is None:
            return Commands(self._settings.get("conf"), _SLURM_PATIENCE_S)
        runs = os.path.join(directory, "runs")
        return Rest(rest, runs=runs, timeout_s=_SLURM_PATIENCE_S)

    def serve(self) -> None:
        """Until the other end closes."""
        for work in (self._go_round, self._sweep):
            threading.Thread(target=work, daemon=True).start()
        self.write({"ready": True, "version": sys.version_info[:2]})
        for line in sys.stdin.buffer:
            request = json.loads(line.decode())
            threads = self._submitting if request["do"] == "launch" else self._others
            threads.submit(self._answer, request)
        os._exit(0)

    def _go_round(self) -> None:
        while True:
            try:
                self._watching.step()
            except (OSError, Trouble) as error:
                sys.stderr.write(f"suan: {error}\n")
                time.sleep(1.0)
            if self._watching.sequence != self._told:
                self._told = self._watching.sequence
                self.write({"news": self._told})
            self._watching.pause()

    def _sweep(self) -> None:
        """Drop contents that no launch has needed for long, now and then."""
        while True:
            time.sleep(_SWEEP_EVERY_S)
            try:
                self._cache.sweep((), long_ago(self._keep_s))
            except OSError as error:
                sys.stderr.write(f"suan: {error}\n")

    def _answer(self, request: "dict[str, Any]") -> None:
        try:
            work = getattr(self, "do_" + request["do"])
            self.write({"id": request["id"], "ok": work(**request["with"])})
        except Trouble as trouble:
            told = [trouble.word, trouble.message, trouble.mend]
            self.write({"id": request["id"], "error": told})
        except OSError as error:
            self.write({"id": request["id"], "error": ["unavailable", str(error), ""]})
        except Exception as bug:  # noqa: BLE001 - the boundary of the program: the other end tells
            self.write({"id": request["id"], "error": ["unknown", repr(bug), ""]})

    def write(self, answer: "dict[str, Any]") -> None:
        """One line, whole."""
        data = json.dumps(answer).encode() + b"\n"
        with self._writing:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    # What can be asked

    def do_observe(self, cursor: "str | None") -> "dict[str, Any]":
        return self._watching.observe(cursor)

    def do_launch(self, *, run: str, asked: "dict[str, Any]", owner: str, ticket: int) -> None:
        attempt = self._launcher.launch(run, asked, Asker(owner, ticket))
        self._watching.launched(run, self._launcher.attempts(run), attempt)

    def do_find(self, run: str, owner: str, ticket: int) -> bool:
        attempt = self._launcher.find(run, Asker(owner, ticket))
        if attempt is not None:
            self._watching.launched(run, self._launcher.attempts(run), attempt)
        return attempt is not None

    def do_cancel(self, run: str, signal: str, grace_s: float) -> None:
        """Signal every process of a run now, and end them after the grace."""
        attempts = self._launcher.attempts(run)
        while True:
            attempt, record = attempts.newest()
            if record is not None and "abandoned_by" not in record:
                break
            over = {"cause": "cancelled", "detail": "cancelled before it started"}
            nothing = {
                "tasks": 1,
                "nodes": [],
                "limit": 0,
                "over": {**over, "ended_at": time.time()},
            }
            if attempts.make(attempt + 1, nothing):
                self._watching.launched(run, attempts, attempt + 1)
                return
        if "over" in record or attempts.end(attempt) or attempts.json("over", attempt) is not None:
            return
        if attempts.revoke(attempt):
            self._unstarted(run, attempts, attempt)
        else:
            self._stop(run, attempts, (attempt, signal, grace_s))

    def _unstarted(self, run: str, attempts: Attempts, attempt: int) -> None:
        over = {"cause": "cancelled", "detail": "cancelled before it started"}
        self._watching.over(run, attempts, attempt, outcome=over)
        job = attempts.job(attempt)
        if job is not None:
            self._slurm.cancel(run, job)

    def _stop(self, run: str, attempts: Attempts, how: "tuple[int, str, float]") -> None:
        attempt, signal, grace_s = how
        record = attempts.launch(attempt) or {}
        earlier = attempts.json("cancel", attempt)
        kill_at = time.time() + grace_s
        if earlier:
            kill_at = min(kill_at, float(earlier.get("kill_at", kill_at)))
        text = json.dumps({"signal": signal, "kill_at": kill_at})
        attempts.write("cancel", attempt, text)
        self._watching.launched(run, attempts, attempt)
        turn = attempts.turn(attempt)
        if grace_s > 0 and turn and (earlier or {}).get("signal") != signal:
            # A signal to srun would end a gang at once: there only the tasks get it.
            whole = ["--batch"] if record.get("tasks") == 1 else []
            name = signal[3:] if signal.startswith("SIG") else signal
            self._slurm.cancel(run, turn[0], *whole, "--signal=" + name)
        self._watching.kill_at(run, max(0.0, kill_at - time.time()))

    def do_log(self, *, run: str, task: int, stream: str, span: "list[int]") -> "list[Any]":
        """A piece of a task's output: its bytes, where the next piece begins, and if it is all."""
        attempts = self._launcher.attempts(run)
        _, record = attempts.newest()
        if record is None or "abandoned_by" in record or "over" in record:
            mend = "it was never launched"
            raise Trouble("rejected", f"run {run} has no logs here", mend)
        if stream not in _STREAMS or not 0 <= task < record["tasks"]:
            raise Trouble("rejected", f"run {run} has no {stream!r} of task {task}")
        self._watching.look_at(run)
        ended = self._watching.outcome(run) is not None  # before reading: nothing follows an end
        offset, limit = span
        if stream == "stderr" and files.together(record):
            return ["", max(offset, 0), ended]
        path = files.stream_paths(attempts.directory, record)[stream]
        data, following, size = files.read(path.replace("@RANK@", str(task)), offset, limit)
        return [base64.b64encode(data).decode(), following, ended and following >= size]

    def do_missing(self, digests: "list[str]") -> "dict[str, int]":
        """Which contents are not here whole, each with how many of its first bytes are."""
        return self._cache.missing(digests)

    def do_put(self, *, digest: str, data: str, span: "list[int]") -> None:
        """Take a piece of a content."""
        offset, size = span
        try:
            self._cache.put(digest, offset, base64.b64decode(data), size=size)
        except Full as error:
            raise Trouble(
                "unavailable", str(error), "make room on the cluster's file system"
            ) from None
        except Broken as error:
            raise Trouble("unavailable", str(error)) from None

    def do_outputs(self, run: str) -> "list[tuple[str, int, str, bool]]":
        """What a run has left."""
        return self._left(run).files()

    def do_output(self, *, run: str, path: str, span: "list[int]") -> str:
        """Bytes of what a run has left."""
        offset, limit = span
        try:
            return base64.b64encode(self._left(run).read(path, offset, limit)).decode()
        except NoSuch as error:
            raise Trouble("rejected", str(error)) from None

    def _left(self, run: str) -> Left:
        attempts = self._launcher.attempts(run)
        _, record = attempts.newest()
        if record is None or "workdir" not in record:
            raise Trouble("rejected", f"run {run} has no output here", "it was never launched")
        folder = os.path.join(attempts.directory, "output")
        return Left(folder, record["workdir"], record.get("outputs", []))

    def do_check(self) -> "list[str]":
        """What there is, in words, after what a job needs has been tried; trouble is raised."""
        version, user = self._slurm.version(), str(self._settings["user"])
        partitions = self._cluster.partitions()
        self._slurm.queue(user)
        taken = self._launcher.try_submitting()
        return [
            version + ", partitions: " + ", ".join(sorted(partitions)),
            taken + " " + user,
            "runs are kept in " + self._directory,
        ]


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _keeper(directory: str, text: str) -> str:
    """The keeper's script, in a file called after its content: an older pool's jobs keep theirs."""
    import hashlib

    name = f"keeper-{hashlib.sha256(text.encode()).hexdigest()[:16]}.sh"
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        draft = f"{path}.{os.getpid()}"
        write(draft, text)
        os.replace(draft, path)
    return path


def main() -> None:
    """Read the settings, and serve."""
    settings = json.loads(sys.stdin.buffer.readline().decode())
    try:
        program = Program(settings)
    except Trouble as trouble:
        _refuse([trouble.word, trouble.message, trouble.mend])
    except OSError as error:
        directory = settings.get("directory")
        said = f"the directory {directory} cannot be used on the login node: {error.strerror}"
        mend = "set `directory` to one that you may write and that the nodes share"
        _refuse(["unavailable", said, mend])
    else:
        program.serve()


def _refuse(told: "list[str]") -> None:
    sys.stdout.write(json.dumps({"error": told}) + "\n")
    sys.stdout.flush()
