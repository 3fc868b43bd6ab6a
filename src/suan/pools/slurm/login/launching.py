"""Starting a run exactly once, and finding out whether it was started."""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH103, PTH105, PTH118

import os
import shlex
import sys
import time
from typing import Any

from suan.content.cache import Cache
from suan.pools.slurm.login import files
from suan.pools.slurm.login.attempts import OUT, REVOKED, Attempts
from suan.pools.slurm.login.clusterview import Cluster
from suan.pools.slurm.login.commands import HOSTS, Slurm, Trouble

_OTHERS_PATIENCE_S = 5.0
_ASK_AGAIN_S = 0.01
_INTERPRETED = ("SLURM", "SBATCH_")  # sbatch would take these for its own options


class Asker:
    """Who asks: a server's name for itself, and the order in which it asked."""

    def __init__(self, owner: str, ticket: int) -> None:
        self.owner = owner
        self.ticket = ticket

    def mark(self) -> "dict[str, Any]":
        return {"abandoned_by": self.owner, "ticket": self.ticket}

    def may_follow(self, record: "dict[str, Any]") -> bool:
        """Whether this launch was asked for after the asker itself gave the run up."""
        ticket = int(str(record.get("ticket", 0)))
        return record["abandoned_by"] == self.owner and self.ticket >= ticket


class Launcher:
    """Submits jobs for runs."""

    def __init__(
        self, slurm: Slurm, cluster: Cluster, *, directory: str, settings: "dict[str, Any]"
    ) -> None:
        self._slurm = slurm
        self._cluster = cluster
        self._runs = os.path.join(directory, "runs")
        self._cache = Cache(os.path.join(directory, "content"))
        self._keeper = str(settings["keeper"])
        self._user = str(settings["user"])
        self._settings = settings
        self._signalled: str | None = None

    def attempts(self, run: str) -> Attempts:
        return Attempts(os.path.join(self._runs, run))

    def launch(self, run: str, asked: "dict[str, Any]", asker: Asker) -> int:
        """Submit a run's job, unless one was; returns the attempt.

        Raises:
            Trouble: it was refused, or given up meanwhile.
        """
        attempts = self.attempts(run)
        attempt, record = attempts.newest()
        if record is None or "abandoned_by" in record:
            if record is not None and not asker.may_follow(record):
                raise Trouble("unknown", f"run {run} was given up since; ask for it again")
            record = self._prepare(attempts, asked)
            record["owner"] = asker.owner
            if attempts.make(attempt + 1, record):
                return self._submit(attempts, attempt + 1, record=record, asked=asked)
            attempt, record = attempts.newest()
            if record is None or "abandoned_by" in record:
                raise Trouble("unknown", f"run {run} was given up since; ask for it again")
        if "over" in record or attempts.turn(attempt) or self._submitted(attempts, attempt, record):
            return self._not_revoked(attempts, attempt)
        return self._submit(attempts, attempt, record=record, asked=asked)

    def _submitted(self, attempts: Attempts, attempt: int, record: "dict[str, Any]") -> bool:
        """Whether another launch of this attempt has got its job; one under way is waited for."""
        until = time.monotonic() + _OTHERS_PATIENCE_S
        while attempts.job(attempt) is None:
            if record.get("owner") == self._settings["owner"] or time.monotonic() >= until:
                return False
            time.sleep(_ASK_AGAIN_S)
        return True

    def _not_revoked(self, attempts: Attempts, attempt: int) -> int:
        if attempts.turn(attempt) == [REVOKED] and attempts.json("over", attempt) is None:
            raise Trouble("unknown", "the launch was given up while it was under way")
        return attempt

    def _prepare(self, attempts: Attempts, asked: "dict[str, Any]") -> "dict[str, Any]":
        """Check and lay out what the run needs; what is recorded of it."""
        workdir = files.working_directory(_text(asked, "workdir"), attempts.directory)
        os.makedirs(attempts.directory, mode=0o700, exist_ok=True)
        if asked["parcels"]:
            if asked["workdir"] is not None:
                said = "a job that runs in a folder of the cluster cannot bring mounts of its own"
                raise Trouble("rejected", said, "submit it with --copy: its workdir is copied, too")
            workdir = files.copies(self._cache, asked["parcels"], attempts.directory)
        mounts = files.links(dict(asked["mounts"]), workdir)
        record = {
            "workdir": workdir,
            "tasks": len(asked["nodes"]),
            "nodes": asked["nodes"],
            "take": asked["take"],
            "memory": asked["memory_limit"],
            "limit": asked["limit_s"],
            "stdout": files.output_path(_text(asked, "stdout"), workdir),
            "stderr": files.output_path(_text(asked, "stderr"), workdir),
            "outputs": asked["outputs"],
            "at": time.time(),
        }  # type: dict[str, Any]
        files.lay_out(attempts.directory, mounts)
        return record

    def _submit(
        self,
        attempts: Attempts,
        attempt: int,
        *,
        record: "dict[str, Any]",
        asked: "dict[str, Any]",
    ) -> int:
        directory = attempts.directory
        command = files.write_script(directory, asked)
        if record["tasks"] != 1:
            text = "".join(f"{node}\n" for node in record["nodes"])
            attempts.write("hosts", attempt, text)
            os.replace(attempts.path("hosts", attempt), attempts.path("hosts"))
        options = self._options(attempts, attempt, record=record, asked=asked)
        words = [*self._keeper_words(directory, attempt, record), *command]
        job = self._slurm.submit(options, words, self._environment(directory, record, asked))
        attempts.submitted(attempt, job)
        if attempts.turn(attempt) == [REVOKED]:
            self._slurm.cancel(attempts.run, job)
        return self._not_revoked(attempts, attempt)

    def _options(
        self,
        attempts: Attempts,
        attempt: int,
        *,
        record: "dict[str, Any]",
        asked: "dict[str, Any]",
    ) -> "list[str]":
        run = attempts.run
        options = [
            "--no-requeue",
            "--job-name=" + run,
            f"--comment=suan:{self._settings['pool']}:{run}:{attempt}",
            "--output=" + attempts.news(OUT),
            "--open-mode=append",
            "--chdir=" + attempts.directory,
            f"--cpus-per-task={asked['cpus']}",
        ]
        options += [*_shape(record, asked), *self._site_options()]
        if asked["limit_s"]:
            options.append(f"--time={int(asked['limit_s']) // 60 + 2}")
        return options

    def try_submitting(self) -> str:
        """Have Slurm judge the smallest of jobs, without submitting it; what that showed.

        Raises:
            Trouble: it would not take that from us.
        """
        return self._slurm.try_submitting(self._site_options(), self._keeper)

    def _site_options(self) -> "list[str]":
        """What the operator said of every job."""
        options = [
            f"--{name}={self._settings[name]}"
            for name in ("account", "qos", "reservation")
            if self._settings.get(name)
        ]
        partitions = self._settings.get("partitions")
        if partitions:
            options.append("--partition=" + ",".join(partitions))
        return options + list(self._settings.get("options") or ())

    def _keeper_words(self, directory: str, attempt: int, record: "dict[str, Any]") -> "list[str]":
        paths = files.stream_paths(directory, record)
        if record["tasks"] == 1:
            paths = {stream: path.replace("@RANK@", "0") for stream, path in paths.items()}
        words = ["batch", directory, str(attempt), str(record["tasks"])]
        words += [str(record["limit"] or 0), str(self._settings["grace_s"])]
        return [self._keeper, *words, str(record["workdir"]), paths["stdout"], paths["stderr"]]

    def _environment(
        self, directory: str, record: "dict[str, Any]", asked: "dict[str, Any]"
    ) -> "dict[str, str]":
        given = dict(asked["env"])
        odd = {name: given.pop(name) for name in list(given) if name.startswith(_INTERPRETED)}
        given.update(
            SUAN_RUN_DIR=directory,
            SUAN_OUTPUT_DIR=os.path.join(directory, "output"),
            SUAN_PYTHON=sys.executable,
        )
        if record["tasks"] != 1:
            given.update(SUAN_KEEPER=self._keeper, SUAN_FORWARD=self._forward())
            given["SUAN_CPUS"] = str(asked["cpus"])  # Slurm need not tell the job
        if odd:
            said = (f"export {name}={shlex.quote(value)}" for name, value in odd.items())
            given["SUAN_EXPORTS"] = "\n".join(said)
        environment = self._slurm.environment(given)
        if record["tasks"] != 1:
            environment[HOSTS] = os.path.join(directory, "hosts")
        return environment

    def _forward(self) -> str:
        """``1`` unless a signal to a step reaches all its processes by itself."""
        if self._signalled is None:
            self._signalled = "1" if self._slurm.forwards() else "0"
        return self._signalled

    def find(self, run: str, asker: Asker) -> "int | None":
        """The attempt that was launched, or ``None``; then no earlier launch can start it.

        Raises:
            Trouble: Slurm does not answer, so nobody can tell.
        """
        attempts = self.attempts(run)
        while True:
            attempt, record = attempts.newest()
            if record is not None and "abandoned_by" not in record:
                if self._launched(attempts, attempt, record):
                    return attempt
                if not attempts.revoke(attempt):
                    return attempt
            if attempts.make(attempt + 1, asker.mark()):
                return None

    def _launched(self, attempts: Attempts, attempt: int, record: "dict[str, Any]") -> bool:
        turn = attempts.turn(attempt)
        if turn is not None:
            return turn != [REVOKED] or attempts.json("over", attempt) is not None
        if "over" in record or attempts.job(attempt) is not None:
            return True
        job = self._cluster.job_called(attempts.run, self._user)
        if job is not None:
            attempts.submitted(attempt, job)
        return job is not None


def _shape(record: "dict[str, Any]", asked: "dict[str, Any]") -> "list[str]":
    """What the job asks of which nodes, as one allocation."""
    nodes = [str(node) for node in record["nodes"]]
    gres = dict(asked["gres"])
    memory, cpus = int(asked["memory"]), int(asked["cpus"])
    if len(nodes) == 1:
        shape = ["--nodes=1", "--ntasks=1", "--nodelist=" + nodes[0], f"--mem={memory}"]
        if gres:
            shape.append("--gres=" + _listed(gres))
        return shape
    shape = [f"--ntasks={len(nodes)}", "--distribution=arbitrary"]
    shape.append(f"--mem-per-cpu={-(-memory // cpus)}")
    devices = {name: count for name, count in gres.items() if name.split(":")[0] == "gpu"}
    for name, count in sorted(devices.items()):
        model = name.partition(":")[2]
        shape.append(f"--gpus-per-task={model + ':' if model else ''}{count}")
    others = {name: count for name, count in gres.items() if name not in devices}
    most = max(nodes.count(node) for node in nodes)
    if others:
        shape.append("--gres=" + _listed({name: count * most for name, count in others.items()}))
    return shape


def _listed(gres: "dict[str, int]") -> str:
    return ",".join(f"{name}:{count}" for name, count in sorted(gres.items()))


def _text(asked: "dict[str, Any]", name: str) -> "str | None":
    value = asked.get(name)
    return None if value is None else str(value)
