"""What is known of every run, kept up to date by news from the nodes and by asking Slurm.

What begins and what ends shows in one directory (see ``attempts``): a look at that tells within
milliseconds. Where the file system is slow to show it, and for all that no keeper can tell, one
``squeue`` for all runs together does.
"""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH103, PTH108, PTH110, PTH118, PTH208

import os
import re
import shutil
import threading
import time
from typing import Any

from suan.pools.slurm.login import files, outcomes
from suan.pools.slurm.login.attempts import END, OUT, REVOKED, Attempts
from suan.pools.slurm.login.clusterview import Cluster, allocated
from suan.pools.slurm.login.commands import Slurm, Trouble

LOOK_S = 0.02  # between two looks at the news while runs are live
_IDLE_LOOK_S = 0.2
_NODES_EVERY_S = 5.0
_SETTLE_S = 3.0  # how much later than Slurm's state a keeper's word may be seen
_HELD_ON_S = 15.0  # how much later than a run Slurm's job may end
_TOLD = "name", "address", "cpus", "memory", "gres", "open", "rack"  # of a node
_LAST_RESORT_S = 8.0  # after a keeper was told to end all, until Slurm is
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")


class Entry:
    """One run as last seen."""

    def __init__(self, run: str, attempt: int, record: "dict[str, Any]") -> None:
        self.run = run
        self.attempt = attempt
        self.record = record
        self.job: str | None = None
        self.started_at: float | None = None
        self.outcome: dict[str, Any] | None = None
        self.settled = 0.0
        self.held = False  # whether its job held its nodes when Slurm was last asked
        self.ended_for: float | None = None
        self.pending_since: float | None = None
        self.submitted = time.monotonic()
        self.sequence = 0

    def report(self) -> "dict[str, Any]":
        told: dict[str, Any] = {"run": self.run, "started_at": self.started_at}
        if self.outcome is not None:
            told.update(self.outcome)
        return told


class Watching:
    """Every run of one pool, and its nodes. Safe to use from several threads."""

    def __init__(
        self, slurm: Slurm, cluster: Cluster, *, directory: str, settings: "dict[str, Any]"
    ) -> None:
        self._slurm = slurm
        self._cluster = cluster
        self._settings = settings
        self._runs = os.path.join(directory, "runs")
        self._news = os.path.join(directory, "news")
        self._lock = threading.RLock()
        self._polling = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._live: dict[str, Entry] = {}
        self._kills: dict[str, tuple[float, int]] = {}
        self._nodes: list[dict[str, Any]] = []
        self._nodes_at = 0.0
        self._nodes_sequence = 0
        self._polled_at = 0.0
        self._sooner = False
        self._trouble: Trouble | None = None
        self.sequence = 1
        self.epoch = "{:x}{:x}".format(
            os.getpid(), time.time_ns() if hasattr(time, "time_ns") else 0
        )
        self.woken = threading.Event()
        for path in (self._runs, self._news):
            os.makedirs(path, mode=0o700, exist_ok=True)

    # What is asked

    def observe(self, cursor: "str | None") -> "dict[str, Any]":
        """What has changed since a cursor; everything, freshly asked for, for any other.

        Raises:
            Trouble: Slurm does not answer.
        """
        epoch, _, number = (cursor or "").partition(":")
        known = epoch == self.epoch and number.isdigit() and int(number) <= self.sequence
        if not known:
            self.scan()
            self.poll(nodes=True)
        with self._lock:
            if self._trouble is not None:
                raise self._trouble
            since = int(number) if known else -1
            entries = [each for each in self._entries.values() if each.sequence > since]
            told = [each.report() for each in entries if each.outcome or each.started_at]
            return {
                "cursor": f"{self.epoch}:{self.sequence}",
                "nodes": self._nodes if self._nodes_sequence > since else None,
                "reports": told,
                "now": time.time(),
            }

    def launched(self, run: str, attempts: Attempts, attempt: int) -> None:
        """A run was launched, or found to have been."""
        with self._lock:
            entry = self._entries.get(run)
            if entry is None or entry.attempt != attempt:
                entry = self._add(run, attempts, attempt)
            entry.job = entry.job or attempts.job(attempt)
        self.look_at(run)
        self.woken.set()

    def outcome(self, run: str) -> "dict[str, Any] | None":
        with self._lock:
            entry = self._entries.get(run)
            return entry.outcome if entry else None

    def over(
        self, run: str, attempts: Attempts, attempt: int, *, outcome: "dict[str, Any]"
    ) -> None:
        """A run ended without a keeper to say so: record it, and say so."""
        outcome.setdefault("ended_at", time.time())
        attempts.write("over", attempt, _json(outcome))
        with self._lock:
            if run not in self._entries:
                self._add(run, attempts, attempt)
        self.look_at(run)

    def kill_at(self, run: str, after_s: float) -> None:
        """Have everything of a run ended after so long, unless it ends before."""
        at = time.monotonic() + after_s
        with self._lock:
            earlier = self._kills.get(run)
            if earlier is None or earlier[1] == 0:
                self._kills[run] = (min(at, earlier[0]) if earlier else at, 0)
        self.woken.set()

    def nodes_of(self) -> "list[dict[str, Any]]":
        with self._lock:
            return self._nodes

    # Looking

    def scan(self) -> None:
        """Take in the runs that are on disk and not known, and drop what ended long ago."""
        long_ago = time.time() - float(self._settings["keep_s"])
        for run in os.listdir(self._runs):
            with self._lock:
                entry = self._entries.get(run)
            if entry is None:
                self._take_in(run)
            elif entry.outcome and entry.outcome.get("ended_at", long_ago) < long_ago:
                self._forget(run)
        for name in os.listdir(self._news):
            if not os.path.exists(os.path.join(self._runs, name.rpartition(".")[0])):
                _unlink(os.path.join(self._news, name))

    def _take_in(self, run: str) -> None:
        attempts = self.attempts(run)
        attempt, record = attempts.newest()
        if record is None or "abandoned_by" in record:
            return
        with self._lock:
            if run in self._entries:
                return
            entry = self._add(run, attempts, attempt)
            entry.job = attempts.job(attempt)
            entry.submitted = 0.0
        self.look_at(run)
        cancel = attempts.json("cancel", attempt)
        if cancel is not None and entry.outcome is None:
            self.kill_at(run, max(0.0, float(cancel.get("kill_at", 0)) - time.time()))

    def _forget(self, run: str) -> None:
        with self._lock:
            self._entries.pop(run, None)
        shutil.rmtree(os.path.join(self._runs, run), ignore_errors=True)

    def _add(self, run: str, attempts: Attempts, attempt: int) -> Entry:
        record = attempts.launch(attempt) or {}
        entry = Entry(run, attempt, {"tasks": 1, "nodes": [], "limit": 0, **record})
        self._entries[run] = self._live[run] = entry
        return entry

    def attempts(self, run: str) -> Attempts:
        return Attempts(os.path.join(self._runs, run))

    def look_at(self, run: str) -> None:
        """Read what a run's files say."""
        with self._lock:
            entry = self._live.get(run)
        if entry is None:
            return
        attempts = self.attempts(run)
        turn = attempts.turn(entry.attempt) if entry.started_at is None else None
        if turn is not None and turn != [REVOKED] and len(turn) >= 2:
            with self._lock:
                entry.job = turn[0]
                entry.started_at = float(turn[1].replace(",", "."))
                self._changed(entry)
        outcome = outcomes.of_record(attempts, entry.attempt, entry.record)
        if outcome is None:
            return
        if outcomes.needs_slurm(outcome) and attempts.json("over", entry.attempt) is None:
            self._sooner = True
            return
        self._settle(entry, outcome)

    def _settle(self, entry: Entry, outcome: "dict[str, Any]") -> None:
        attempts = self.attempts(entry.run)
        with self._lock:
            if entry.outcome is not None:
                return
            entry.outcome = dict(outcome)
            entry.settled = time.monotonic()
            self._live.pop(entry.run, None)
            self._kills.pop(entry.run, None)
            files.gather(attempts, entry.record)
            self._changed(entry)

    def _changed(self, entry: "Entry | None") -> None:
        self.sequence += 1
        if entry is not None:
            entry.sequence = self.sequence

    def news(self) -> None:
        """Look at the runs that have begun or ended, and put away what they told."""
        for name in os.listdir(self._news):
            run, _, kind = name.rpartition(".")
            entry = self._entries.get(run)
            if entry is None or kind not in (OUT, END):
                continue
            self.look_at(run)
            attempts = self.attempts(run)
            if kind == OUT:  # Slurm makes it, and then starts the keeper
                whole = entry.started_at is not None
            else:
                whole = attempts.end(entry.attempt) is not None
            if whole or entry.outcome is not None:
                attempts.keep(kind, entry.attempt)

    # Asking Slurm

    def poll(self, nodes: bool) -> None:
        """Ask Slurm of every live job at once, and of its nodes; ``observe`` tells of trouble."""
        with self._polling:
            began = time.monotonic()
            with self._lock:
                started = {run for run, each in self._live.items() if each.started_at is not None}
            try:
                found = self._cluster.nodes() if nodes else None
                jobs = self._cluster.jobs(str(self._settings["user"]))
            except Trouble as trouble:
                with self._lock:
                    if self._trouble is None:
                        self._changed(None)
                    self._trouble = trouble
                return
            finally:
                self._polled_at = time.monotonic()
            with self._lock:
                if self._trouble is not None:
                    self._changed(None)
                self._trouble = None
                live = list(self._live.values())
            before = {entry.run for entry in live if entry.held}
            for entry in live:
                self._compare(entry, jobs, (began, entry.run in started))
            self._let_go(jobs, began)
            if found is not None:
                self._tell_nodes(found, before)

    def _compare(
        self,
        entry: Entry,
        jobs: "dict[tuple[str, str], tuple[str, str, bool]]",
        asked: "tuple[float, bool]",
    ) -> None:
        """Hold a run against its job. ``asked``: when, and whether it was known to have started."""
        began, started = asked
        attempts = self.attempts(entry.run)
        job = entry.job or attempts.job(entry.attempt)
        if job is None:
            return
        entry.job = job
        state, reason, given = jobs.get((job, entry.run), ("", "", False))
        if state == "CANCELLED" and given and attempts.revoke(entry.attempt):
            state = outcomes.NEVER_BEGUN
        entry.held = allocated(state)
        if started and state in outcomes.WAITING:
            self._slurm.cancel(entry.run, job)
            said = {"cause": outcomes.LOST, "detail": "Slurm requeued it" + f" ({reason})"}
            self.over(entry.run, attempts, entry.attempt, outcome=said)
        elif state == "PENDING" and attempts.turn(entry.attempt) is None:
            self._waits(entry, attempts, reason)
        elif state in outcomes.ENDED_STATES or (not state and entry.submitted < began - _SETTLE_S):
            self._ended(entry, attempts, state=state, reason=reason)

    def _let_go(self, jobs: "dict[tuple[str, str], tuple[str, str, bool]]", now: float) -> None:
        """End the jobs whose runs are over and which Slurm does not know to be: it was not told,
        because what should have told it was killed, and they hold their nodes for nothing."""
        for (job, run), (state, _, _) in jobs.items():
            entry = self._entries.get(run)
            if entry is None or entry.outcome is None or entry.job != job:
                continue
            if state == "RUNNING" and entry.settled < now - _HELD_ON_S:
                try:
                    self._slurm.cancel(run, job)
                except Trouble:
                    return  # it is looked at again

    def _waits(self, entry: Entry, attempts: Attempts, reason: str) -> None:
        """A job that Slurm keeps waiting too long is taken back: suan may know another place."""
        now = time.monotonic()
        entry.pending_since = entry.pending_since or now
        if now - entry.pending_since < float(self._settings["patience_s"]):
            return
        if attempts.revoke(entry.attempt):
            said = "Slurm kept it waiting for {:g} s: {}".format(
                self._settings["patience_s"], reason
            )
            self._slurm.cancel(entry.run, str(entry.job))
            outcome = {"cause": outcomes.UNLAUNCHED, "detail": said}
            self.over(entry.run, attempts, entry.attempt, outcome=outcome)

    def _ended(self, entry: Entry, attempts: Attempts, *, state: str, reason: str) -> None:
        told = outcomes.of_keeper(attempts, entry.attempt, entry.record)
        if told is not None and outcomes.needs_slurm(told):
            said = outcomes.explained(attempts, entry.attempt, told=told, state=state)
            self.over(entry.run, attempts, entry.attempt, outcome=said)
            return
        if told is not None:
            self.look_at(entry.run)
            return
        now = time.monotonic()
        entry.ended_for = entry.ended_for or now
        if not outcomes.final(state) and now - entry.ended_for < _SETTLE_S:
            self._sooner = True
            return
        said = outcomes.of_slurm(
            attempts, entry.attempt, state=state or "nothing of it", reason=reason
        )
        self.over(entry.run, attempts, entry.attempt, outcome=said)

    def _tell_nodes(self, found: "list[dict[str, Any]]", before: "set[str]") -> None:
        """What is taken on each node by anything but our own runs, as they count themselves."""
        with self._lock:
            ours = [
                entry.record for run, entry in self._entries.items() if entry.held or run in before
            ]
            nodes = [_others(node, ours) for node in found]
            self._nodes_at = time.monotonic()
            if nodes != self._nodes:
                self._nodes = nodes
                self._changed(None)
                self._nodes_sequence = self.sequence

    # Going round

    def step(self) -> None:
        """One round: news, kills that are due, and Slurm when it is time."""
        self.news()
        self._kill()
        now = time.monotonic()
        every = float(self._settings["poll_s"])
        soon = min(every, 0.25) if self._sooner or self._kills else every
        nodes = now - self._nodes_at >= _NODES_EVERY_S
        if nodes or (self._live and now - self._polled_at >= soon):
            self._sooner = False
            self.poll(nodes=nodes)

    def pause(self) -> None:
        """Until the next round."""
        self.woken.wait(LOOK_S if self._live else _IDLE_LOOK_S)
        self.woken.clear()

    def _kill(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = [(run, step) for run, (at, step) in self._kills.items() if at <= now]
        for run, step in due:
            entry = self._live.get(run)
            with self._lock:
                self._kills[run] = (now + _LAST_RESORT_S, 1)
                if entry is None or step:
                    del self._kills[run]
            if entry is not None and entry.job is not None:
                how = [] if step else ["--full", "--signal=URG"]
                try:
                    self._slurm.cancel(run, entry.job, *how)
                except Trouble:
                    continue


def _others(node: "dict[str, Any]", ours: "list[dict[str, Any]]") -> "dict[str, Any]":
    """A node with what others use on it, in thousandths of processors and devices."""
    name = node["name"]
    cpu_milli, memory = 1000 * node["cpus_used"], node["memory_used"]
    devices = {each: 1000 * count for each, count in node["gres_used"].items()}
    for record in ours:
        times = record["nodes"].count(name)
        if times and "take" in record:
            cpu_milli -= times * record["take"]["cpu_milli"]
            memory -= times * record["take"]["memory"]
            for each, amount in record["take"]["gres"].items():
                devices[each] = devices.get(each, 0) - times * amount
    kept = {each: node[each] for each in _TOLD}
    kept["others"] = {
        "cpu_milli": max(0, cpu_milli),
        "memory": max(0, memory),
        "gres": {each: amount for each, amount in sorted(devices.items()) if amount > 0},
    }
    return kept


def _json(value: "dict[str, Any]") -> str:
    import json

    return json.dumps(value)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
