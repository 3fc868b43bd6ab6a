"""``suan pull``: what a job has left."""

from pathlib import Path

import click

from suan.cli.connect import connect, job_argument, json_option
from suan.cli.format import counted
from suan.cli.grid import grid
from suan.cli.output import note, print_json, say
from suan.cli.progress import progress
from suan.client.pulling import Wanted


@click.command
@job_argument()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Where to put the files [a folder named JOB, here].",
)
@click.option("--attempt", type=click.IntRange(min=1), help="Of this attempt, not the latest.")
@click.option("-l", "--list", "only_list", is_flag=True, help="Only show what there is.")
@json_option
def pull(
    job: str,
    paths: tuple[str, ...],
    output: str | None,
    *,
    attempt: int | None,
    only_list: bool,
    as_json: bool,
) -> None:
    """Bring back the files that JOB has left in $SUAN_OUTPUT_DIR and where `outputs` says.

    All of them, or those at each PATH and below it. What is here already is not fetched again; a
    fetch that broke off goes on from there.
    """
    with connect() as client, progress() as show:
        if only_list:
            found = client.outputs(job, attempt=attempt)
            rows = [(each.path, f"{each.size:,}", each.digest[:12]) for each in found.files]
            print_json(found) if as_json else say(grid(("PATH", "BYTES", "SHA-256"), rows))
            return

        def moved(done: int, size: int) -> None:
            show(f"fetching: {done / 1e6:,.1f} of {size / 1e6:,.1f} MB")

        folder = Path(output or job)
        pulled = client.pull(Wanted(job, paths, folder, attempt, moved))
    if as_json:
        files = [{"path": str(p.path), "size": p.size, "fetched": p.fresh} for p in pulled]
        print_json({"job": job, "files": files})
        return
    for each in pulled:
        say(str(each.path))
    fresh = sum(each.fresh for each in pulled)
    here = f", {len(pulled) - fresh:,} were here" if fresh < len(pulled) else ""
    note(f"{counted(fresh, 'file')} fetched into {folder}{here}")
