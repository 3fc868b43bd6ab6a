"""What is asked of Slurm, and how its own commands are asked; what their complaints mean."""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: B905

import os
import re
import subprocess
from typing import NamedTuple

WORDS = "unavailable", "rejected", "unknown", "auth"
_NOT_THERE = (
    "unable to contact slurm controller",
    "connection refused",
    "connection timed out",
    "slurm backup controller in standby",
    "unable to establish",
    "invalid authentication credential",
    "protocol authentication error",
    "munge",
    "temporarily unable",
    "resource temporarily unavailable",
    "limit",
)
_PERHAPS = (
    "socket timed out",
    "transport endpoint",
    "communications",
    "connection reset",
    "zero bytes were transmitted",
)
_FIELD = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z/:_]*)=")
HOSTS = "SLURM_HOSTFILE"
_COUNTS_HOSTS_ONCE = "21.08"  # before, a node that the file has twice is two nodes
_SILENT = " failed and said nothing"


class Job(NamedTuple):
    """A job as ``squeue`` tells of it."""

    id: str
    name: str
    state: str
    nodes: str
    reason: str


class Trouble(Exception):
    """What went wrong: one of ``WORDS``, a sentence, and what to do."""

    def __init__(self, word: str, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.word = word
        self.message = message
        self.mend = mend


class Slurm:
    """One cluster, whichever way it is reached. Every method may raise ``Trouble``."""

    def version(self) -> str:
        """What answers there, and of which release."""
        raise NotImplementedError

    def show(self, what: str) -> "list[dict[str, str]]":
        """All of ``node``, ``partition``, ``reservation`` or ``topology``, under the names that
        ``scontrol show`` has for their fields."""
        raise NotImplementedError

    def queue(self, user: str, name: "str | None" = None) -> "list[Job]":
        """A user's jobs that Slurm remembers, ended ones too; those of one name, or all."""
        raise NotImplementedError

    def submit(self, options: "list[str]", words: "list[str]", env: "dict[str, str]") -> str:
        """Submit a script with its arguments under ``sbatch``'s options; the job's id."""
        raise NotImplementedError

    def try_submitting(self, options: "list[str]", script: str) -> str:
        """Have Slurm judge the smallest of jobs as far as it can; what that showed, in words."""
        raise NotImplementedError

    def cancel(self, run: str, job: str, *how: str) -> None:
        """End a run's job, or signal it as ``how`` says in ``scancel``'s words. Never by the id
        alone: a controller that was killed gives ids twice, and the job that has this one now may
        be another run's."""
        raise NotImplementedError

    def environment(self, extra: "dict[str, str]") -> "dict[str, str]":
        """The environment that a job starts with."""
        raise NotImplementedError

    def forwards(self) -> bool:
        """Whether a keeper must pass signals on to the processes of a step."""
        raise NotImplementedError


class Commands(Slurm):
    """A cluster by its commands, run with its ``SLURM_CONF`` and a time-out."""

    def __init__(self, conf: "str | None", timeout_s: float) -> None:
        self.env = {name: value for name, value in os.environ.items() if _neutral(name)}
        if conf:
            self.env["SLURM_CONF"] = conf
        self._timeout_s = timeout_s
        self._release = ""  # asked once: what an older one takes, newer ones take as well

    def run(self, argv: "list[str]", env: "dict[str, str] | None" = None) -> str:
        """A command's output.

        Raises:
            Trouble: it is missing, failed, or did not answer.
        """
        try:
            process = subprocess.Popen(
                argv,
                env=self.env if env is None else env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise Trouble(
                "unavailable",
                f"{argv[0]} cannot be run on the login node: {error.strerror}",
                "install Slurm's client commands there, or put them on the PATH of ssh's sessions",
            ) from error
        try:
            out, err = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired as late:
            process.kill()
            process.communicate()
            said = f"{argv[0]} did not answer within {self._timeout_s:g} s"
            raise Trouble(_perhaps(argv[0]), said) from late
        if process.returncode != 0:
            raise complaint(argv[0], err.decode("utf-8", "replace"))
        return out.decode("utf-8", "replace")

    def version(self) -> str:
        return self.run(["sinfo", "--version"]).strip()

    def show(self, what: str) -> "list[dict[str, str]]":
        try:
            text = self.run(["scontrol", "-o", "-d", "show", what])
        except Trouble as trouble:
            if "no reservations" in trouble.message.lower():
                return []
            raise
        return [fields(line) for line in text.splitlines()]

    def queue(self, user: str, name: "str | None" = None) -> "list[Job]":
        only = [] if name is None else ["--name=" + name]
        form = "%A|%T|%N|%r|%j"
        text = self.run(["squeue", "-h", "-u", user, "-t", "all", *only, "-o", form])
        found = []
        for line in text.splitlines():
            job, state, nodes, reason, called = (word.strip() for word in line.split("|", 4))
            found.append(Job(job, called, state, nodes, reason))
        return found

    def submit(self, options: "list[str]", words: "list[str]", env: "dict[str, str]") -> str:
        if HOSTS in env:
            self._release = self._release or self.version().split()[-1]
            if self._release < _COUNTS_HOSTS_ONCE:
                options, env = _roomy(options, env)
        answer = self.run(["sbatch", "--parsable", "--export=ALL", *options, *words], env)
        return answer.strip().split(";")[0]

    def try_submitting(self, options: "list[str]", script: str) -> str:
        self.run(["sbatch", "--test-only", "--ntasks=1", "--mem=1", *options, script])
        return "sbatch would take a job of"

    def cancel(self, run: str, job: str, *how: str) -> None:
        try:
            self.run(["scancel", "--quiet", "--name=" + run, *how, job])
        except Trouble as trouble:
            if not trouble.message.endswith(_SILENT):
                raise  # else it has ended meanwhile, of which --quiet does not tell

    def environment(self, extra: "dict[str, str]") -> "dict[str, str]":
        env = dict(self.env)
        env.update(extra)
        return env

    def forwards(self) -> bool:
        return "proctrack/linuxproc" not in self.run(["scontrol", "show", "config"])


def rooms(path: str) -> "tuple[list[str], int]":
    """A gang's nodes from its file of hosts, and the most tasks that one of them has."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as old Pythons have it
        hosts = file.read().split()
    nodes = sorted(set(hosts))
    return nodes, max(map(hosts.count, nodes))


def _roomy(options: "list[str]", env: "dict[str, str]") -> "tuple[list[str], dict[str, str]]":
    """The same submission without its file of hosts: room on each node for the most tasks."""
    nodes, most = rooms(env[HOSTS])
    room = ["--distribution=block", "--nodelist=" + ",".join(nodes), f"--nodes={len(nodes)}"]
    room += [f"--ntasks={most * len(nodes)}", f"--ntasks-per-node={most}"]
    return options + room, {name: value for name, value in env.items() if name != HOSTS}


def fields(line: str) -> "dict[str, str]":
    """One line of ``scontrol -o``: a value goes up to the next name, blanks and all."""
    found = list(_FIELD.finditer(line))
    ends = [match.start() for match in found[1:]] + [len(line)]
    return {match.group(1): line[match.end() : end].strip() for match, end in zip(found, ends)}


def complaint(command: str, said: str) -> Trouble:
    """What a failed command's words mean for what was asked."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    message = "; ".join(lines[-2:]) or command + _SILENT
    low = message.lower()
    if any(word in low for word in _PERHAPS):
        return Trouble(_perhaps(command), message, "see `scontrol ping` on the login node")
    if any(word in low for word in _NOT_THERE):
        return Trouble("unavailable", message, "see `scontrol ping` on the login node")
    return Trouble("rejected", message, _advice(low))


def _perhaps(command: str) -> str:
    """Without an answer a submission may have been made; whatever else is asked may be again."""
    return "unknown" if command == "sbatch" else "unavailable"


def _advice(low: str) -> str:
    if "partition" in low:
        return "`sinfo -s` on the login node lists the partitions; mend `partition` in pools.yaml"
    if "account" in low or "qos" in low:
        return "`sacctmgr show assoc user=$USER` lists what you may use; mend `account` or `qos`"
    if "node configuration" in low:
        return "no node of the partition can ever hold that; ask for less"
    return ""


def _neutral(name: str) -> bool:
    """Not one by which the caller's shell, or a job around us, would steer the commands."""
    return name == "SLURM_CONF" or not name.startswith(
        ("SLURM", "SBATCH_", "SQUEUE_", "SINFO_", "SCANCEL_", "SALLOC_", "SUAN_")
    )
