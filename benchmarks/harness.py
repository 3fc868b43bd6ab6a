"""What the benchmarks share, and the command that runs them all.

A benchmark is a script ``bench_*.py`` beside this file: its docstring's first line is its title,
and it prints Markdown. ``python benchmarks/harness.py`` runs every one (or those named) and puts
what each printed into ``RESULTS.md`` with the command, the machine and the date; ``--quick`` runs
them small and writes nothing.

Figures are medians of repeated runs, with memory beside them, and ratios are taken between things
measured in one run on one machine. Nothing here is a test: no figure fails a build.
"""

import argparse
import ast
import math
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
TITLE = "# Results\n\nMade by `make bench`; each section says by which command, where and when.\n"
SECTION = re.compile(r"<!-- (bench_\w+) -->\n(.*?)(?=<!-- bench_\w+ -->|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sample:
    """Repeated runs of one thing: seconds of each run, and the highest memory of any."""

    seconds: tuple[float, ...]
    peak_rss_mib: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """The fastest and the slowest run."""
        return f"{duration(min(self.seconds))} to {duration(max(self.seconds))}"


def timed(function: Callable[[], object], *, repeat: int = 5, warmup: int = 1) -> Sample:
    """Run a function of this process several times. Memory is the process's peak so far."""
    for _ in range(warmup):
        function()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return Sample(tuple(seconds), peak_rss_mib())


def command(
    argv: Sequence[str],
    *,
    repeat: int = 5,
    warmup: int = 1,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Sample:
    """Run a program several times: wall time, and the peak memory of its process.

    The memory of a process that holds less than this one did reads as this one's at the fork.

    Raises:
        subprocess.CalledProcessError: it exited with anything but 0.
    """
    seconds, peaks = [], []
    for number in range(warmup + repeat):
        start = time.perf_counter()
        child = subprocess.Popen(
            argv, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(child.pid, 0)
        taken = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, list(argv))
        if number >= warmup:
            seconds.append(taken)
            peaks.append(used.ru_maxrss / 1024)
    return Sample(tuple(seconds), max(peaks))


def peak_rss_mib() -> float:
    """The most memory this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rss_mib(pid: int) -> float:
    """The memory that a process holds now, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def duration(seconds: float) -> str:
    """Three significant digits, in the unit that suits."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def number(value: float) -> str:
    """A count or a rate: 1,234,567 — or three significant digits below a hundred."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [
        "| " + " | ".join(header) + " |",
        "|---" + "|---:" * (len(header) - 1) + "|",
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def side_by_side(samples: Mapping[str, Sample], *, against: str) -> str:
    """Medians beside each other, each as a multiple of the one called ``against``."""
    unit = samples[against].median
    return table(
        ("what", "median", "fastest to slowest", "peak memory", f"against {against}"),
        [
            (
                name,
                duration(each.median),
                each.spread,
                "" if each.peak_rss_mib is None else f"{each.peak_rss_mib:.0f} MiB",
                f"{each.median / unit:.3g} x",
            )
            for name, each in samples.items()
        ],
    )


def quick() -> bool:
    """Whether the benchmark was asked to be small (``--quick``)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a small run, in seconds")
    return bool(parser.parse_args().quick)


def machine() -> str:
    """What it was measured on, without naming the machine."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", _read("/proc/meminfo"), re.MULTILINE)
    parts = [
        f"{len(os.sched_getaffinity(0))} x {cpu[1].strip() if cpu else platform.machine()}",
        f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        f"Linux {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(part for part in parts if part)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _run(script: Path, *, small: bool) -> tuple[bool, str]:
    """Run one benchmark; whether it worked, and its section of the results."""
    argv = [sys.executable, str(script), *(["--quick"] if small else [])]
    start = time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    took = time.perf_counter() - start
    title = (ast.get_docstring(ast.parse(script.read_text())) or script.stem).splitlines()[0]
    body = (
        f"## {title.rstrip('.')}\n\n"
        f"`python benchmarks/{script.name}{' --quick' if small else ''}` on {machine()},"
        f" {datetime.now(UTC):%Y-%m-%d}, in {took:.0f} s\n\n{done.stdout.strip()}\n\n"
    )
    return done.returncode == 0, body


def _write(sections: Mapping[str, str]) -> None:
    """Put new sections into the results, keeping those that were not run this time."""
    kept = dict(SECTION.findall(_read(str(RESULTS))))
    merged = {**kept, **sections}
    RESULTS.write_text(
        TITLE
        + "\n"
        + "".join(f"<!-- {name} -->\n{merged[name].strip()}\n\n" for name in sorted(merged))
    )


def main() -> int:
    """Run the benchmarks; write the results; 1 if any of them failed."""
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", help="which (bench_core, …); all if none is named")
    parser.add_argument("--quick", action="store_true", help="small runs, nothing is written")
    given = parser.parse_args()
    scripts = [
        s for s in sorted(HERE.glob("bench_*.py")) if not given.names or s.stem in given.names
    ]
    unknown = set(given.names) - {script.stem for script in scripts}
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    failed = []
    for script in scripts:
        worked, section = _run(script, small=given.quick)
        print(section, flush=True)
        if not worked:
            failed.append(script.stem)
        elif not given.quick:
            _write({script.stem: section})
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
