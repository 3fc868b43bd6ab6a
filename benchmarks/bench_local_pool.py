"""The local pool alone: thousands of real `true` runs, beside GNU parallel.

A run through the pool is more than a process: its own directory, environment, log files, durable
status before and after (fsync), and a runner that would outlive the server. GNU parallel starts a
process; with `--joblog --results` it also keeps a line and the output of each job, without fsync.
"""

import asyncio
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import harness

from suan.model.pool import Launch, Pool
from suan.model.resources import Resources
from suan.model.units import JobId, NodeName, RunId
from suan.pools.declared import load_pools, open_pool

AT_ONCE = 32


async def run_all(pool: Pool, names: list[str]) -> float:
    """Seconds from the first launch to the last end observed, ``AT_ONCE`` runs at a time."""
    observation = await pool.observe(None)
    node = (observation.nodes or ())[0].name
    left, cursor = set(names), observation.cursor
    room = asyncio.Semaphore(AT_ONCE)

    async def launch(name: str) -> None:
        await pool.launch(a_launch(name, node))

    async def launch_all() -> None:
        async with asyncio.TaskGroup() as group:
            for name in names:
                await room.acquire()
                group.create_task(launch(name))

    start = time.perf_counter()
    launching = asyncio.create_task(launch_all())
    while left:
        await pool.changed()
        observation = await pool.observe(cursor)
        cursor = observation.cursor
        for report in observation.reports:
            if report.outcome is not None and report.run in left:
                left.discard(report.run)
                room.release()
    await launching
    return time.perf_counter() - start


def a_launch(name: str, node: NodeName) -> Launch:
    return Launch(
        run=RunId(name),
        job=JobId(name.rpartition("-r")[0]),
        name=name,
        nodes=(node,),
        per_task=Resources(cpu_milli=100, memory_mib=1),
        script="true",
    )


async def pool_seconds(count: int) -> float:
    with tempfile.TemporaryDirectory(prefix="suan-bench-") as home:
        (declaration,) = load_pools(None, home=Path(home))
        pool = open_pool(declaration, home=Path(home))
        try:
            await run_all(pool, ["warm-r1"])
            return await run_all(pool, [f"j{number}-r1" for number in range(count)])
        finally:
            await pool.close()


def parallel(count: int, repeat: int, directory: Path, *options: str) -> harness.Sample:
    """GNU parallel with as many at once as it likes best: one for each processor."""
    numbers = directory / "numbers"
    numbers.write_text("".join(f"{number}\n" for number in range(count)))
    argv = ["parallel", "--will-cite", *options, "-a", str(numbers), "true {}"]
    return harness.command(argv, repeat=repeat, warmup=0)


def gnu_parallel() -> bool:
    """Whether it is here, or can be had."""
    if shutil.which("parallel") is None and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "install", "-y", "parallel"], check=False, **quiet)
    return shutil.which("parallel") is not None


def measure(count: int, repeat: int) -> dict[str, harness.Sample]:
    samples = {
        "suan's local pool": harness.Sample(
            tuple(asyncio.run(pool_seconds(count)) for _ in range(repeat)),
            harness.peak_rss_mib(),
        )
    }
    if not gnu_parallel():
        return samples
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        kept = ("--joblog", f"{directory}/log", "--results", f"{directory}/results")
        samples["GNU parallel"] = parallel(count, repeat, directory)
        samples["GNU parallel, log and results kept"] = parallel(count, repeat, directory, *kept)
    return samples


def main() -> None:
    """Print runs a second, side by side."""
    count, repeat = (300, 1) if harness.quick() else (2000, 3)
    samples = measure(count, repeat)
    print(f"{count:,} runs of `true`, {repeat} time(s) each; {AT_ONCE} at once in the pool.\n")
    rows = [
        (name, harness.number(count / s.median), harness.duration(s.median),
         f"{s.peak_rss_mib or 0:.0f} MiB")
        for name, s in samples.items()
    ]  # fmt: skip
    print(harness.table(("through", "runs/s", "median time", "peak memory"), rows))
    if len(samples) == 1:
        print("GNU parallel is not here and could not be installed: skipped.")


if __name__ == "__main__":
    main()
