"""Policies side by side: what ``suan simulate`` and ``suan replay --policy`` have in common."""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suan.cli.format import counted
from suan.cli.output import note, print_json, say
from suan.model.errors import InputError
from suan.sim import report
from suan.sim.pools import SimulatedPool
from suan.sim.results import Group, Result, RowWriter
from suan.sim.settings import Settings
from suan.sim.study import simulate
from suan.sim.traces.opening import Trace

QUANTILES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Study:
    """What is simulated, and what it rests on."""

    trace: Trace
    pools: tuple[SimulatedPool, ...]
    policies: tuple[str, ...]
    settings: Settings
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is written besides the comparison: tables and a row for each job in ``folder``, and
    the ``page``."""

    folder: Path | None = None
    parquet: bool = False
    page: Path | None = None

    def check(self) -> None:
        """Refuse before the work what would be refused after it.

        Raises:
            InputError: the page's path is a folder, or none can be made for it.
        """
        if self.page is None:
            return
        try:
            self.page.parent.mkdir(parents=True, exist_ok=True)
            usable = not self.page.is_dir() and os.access(self.page.parent, os.W_OK)
        except OSError:
            usable = False
        if not usable:
            raise InputError(
                f"{self.page} cannot be written",
                where="--html",
                mend="name a file in a folder that you may write to",
            )

    def rows(self, policy: str) -> AbstractContextManager[RowWriter | None]:
        """Where a policy's jobs go as they leave; the file is there whole or not at all."""
        if self.folder is None:
            return nullcontext()
        if self.parquet:
            return report.ParquetRows(self.folder / f"jobs-{policy}.parquet")
        return report.CsvRows(self.folder / f"jobs-{policy}.csv")

    def write(self, study: Study, results: Sequence[Result]) -> None:
        """The tables and the page."""
        if self.folder is not None:
            (report.write_parquet if self.parquet else report.write_csv)(results, self.folder)
        if self.page is not None:
            notes = tuple(_beside(study))
            page = report.html(results, title=f"{study.trace.name}: policies", notes=notes)
            report.write_text(self.page, page)


def compare(study: Study, outputs: Outputs) -> list[Result]:
    """Every policy over the trace, from the beginning, with a bar on a terminal."""
    outputs.check()
    _settle_garbage()
    results = []
    with _bar(study) as told:
        for policy in study.policies:
            with outputs.rows(policy) as rows:
                results.append(_one(study, policy, rows=rows, progress=told(policy)))
    outputs.write(study, results)
    return results


def _one(
    study: Study,
    policy: str,
    *,
    rows: RowWriter | None,
    progress: Callable[[int], None] | None,
) -> Result:
    trace, pools, settings = study.trace, study.pools, study.settings
    return simulate(policy, trace, pools, settings=settings, rows=rows, progress=progress)


def show(study: Study, results: Sequence[Result], *, as_json: bool) -> None:
    """The comparison on standard output; what it rests on beside it."""
    if as_json:
        print_json(_as_json(study, results))
        return
    for line in _beside(study):
        note(line)
    say(report.table(results).rstrip("\n"))


def _beside(study: Study) -> Iterator[str]:
    trace = study.trace
    nodes = sum(len(pool.nodes) for pool in study.pools)
    pools = f"{counted(len(study.pools), 'pool')}, {counted(nodes, 'node')}"
    yield f"{trace.name} ({trace.format}): {counted(trace.count, 'job')}; {pools}"
    yield from trace.tally.told()
    yield from study.notes


def _settle_garbage() -> None:
    """Jobs by the thousand come and go without cycles; the collector need not look so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@contextmanager
def _bar(study: Study) -> Iterator[Callable[[str], Callable[[int], None] | None]]:
    """A bar for each policy on stderr's terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda policy: None  # noqa: ARG005 # nobody watches
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:

        def told(policy: str) -> Callable[[int], None]:
            task = progress.add_task(policy, total=study.trace.count)
            return lambda left: progress.update(task, completed=left)

        yield told


def _as_json(study: Study, results: Sequence[Result]) -> dict[str, Any]:
    trace = study.trace
    return {
        "trace": trace.name,
        "format": trace.format,
        "jobs": trace.count,
        "rows": {
            cause: {"count": count, "first_lines": trace.tally.lines[cause]}
            for cause, count in sorted(trace.tally.counts.items())
        },
        "pools": [pool.offer.pool for pool in study.pools],
        "notes": list(study.notes),
        "policies": [_policy(each) for each in results],
    }


def _policy(result: Result) -> dict[str, Any]:
    return {
        "policy": result.policy,
        "jobs": result.jobs,
        "states": dict(result.states),
        "attempts": result.attempts,
        "preempted": result.preempted,
        "deadlines": result.deadlines,
        "missed": result.missed,
        "makespan_us": result.makespan,
        "utilisation": result.utilisation,
        "lost_device_time_us_milli": result.lost_device_time,
        **_group(result.overall),
        "tenants": {each.name: _group(each) for each in result.tenants},
        "pools": {each.name: _group(each) for each in result.pools},
    }


def _group(group: Group) -> dict[str, Any]:
    quantiles = {f"p{share * 100:g}_wait_us": group.wait.quantile(share) for share in QUANTILES}
    return {
        "ran": group.jobs,
        "mean_wait_us": group.mean_wait,
        **quantiles,
        "max_wait_us": group.wait.maximum,
        "mean_completion_us": group.mean_completion,
        "mean_bounded_slowdown": group.mean_slowdown,
    }


def named(path: str | None, what: str) -> Path | None:
    """A file that the command line names.

    Raises:
        InputError: there is none.
    """
    if path is None:
        return None
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(
            f"there is no file {path}",
            where=what,
            mend="name a file that is there, or mend the path",
        )
    return found
