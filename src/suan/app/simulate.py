"""``suan simulate``: a trace of jobs through the real scheduler, under one or several policies."""

from pathlib import Path
from typing import Any

import click

from suan.app.comparing import Outputs, Study, compare, named, show
from suan.cli.duration import DURATION_S
from suan.model.errors import InputError
from suan.model.units import HOUR, SECOND
from suan.sim import pools as simulated
from suan.sim.settings import DURATIONS, Settings
from suan.sim.study import Fitting, check_policies
from suan.sim.traces.formats import FORMATS
from suan.sim.traces.opening import Trace, check_format, open_trace

_SQLITE = b"SQLite format 3\0"


@click.command()
@click.option(
    "--trace",
    metavar="FILE|URL",
    required=True,
    help="The jobs: a trace, plain or gzip, or a store's URL for its journal.",
)
@click.option(
    "--format",
    "form",
    metavar="NAME",
    help=f"The trace's format; by default its beginning shows it: {', '.join(FORMATS)}.",
)
@click.option("--pools", metavar="FILE", help="A pools.yaml with declared nodes, or a node list.")
@click.option(
    "--policy",
    metavar="NAME[,NAME…]",
    default="default",
    show_default=True,
    help="What decides; several are compared with the first.",
)
@click.option(
    "--durations",
    type=click.Choice(DURATIONS),
    default="requested",
    show_default=True,
    help="What the scheduler is told of how long a job takes.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the trace's first so many jobs.")
@click.option("--checkpoint-every", type=DURATION_S, help="Jobs save so often; by default never.")
@click.option("--restart-cost", type=DURATION_S, help="A run after the first begins with this.")
@click.option(
    "--scaling",
    type=click.FloatRange(0, 1),
    default=1,
    show_default=True,
    help="How much of an elastic job's work is spread over its nodes; the rest is not faster.",
)
@click.option("--mtbf", type=DURATION_S, help="Mean time between failures of a node.")
@click.option("--mttr", type=DURATION_S, help="With --mtbf: mean time until it is back [1h].")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides when nodes fail.")
@click.option("--out", metavar="DIR", help="Write tables there, and a row for each job.")
@click.option("--parquet", is_flag=True, help="With --out: Parquet instead of CSV (needs pyarrow).")
@click.option("--html", metavar="FILE", help="Write a report there: one page, no network needed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; durations in microseconds.")
def simulate(**options: Any) -> None:
    """Run a trace of jobs through the scheduler that the server uses, on simulated pools.

    Prints a comparison of the policies: waits, completions, utilisation, and who gains. The same
    trace, pools, policy and seed give the same figures, to the microsecond.
    """
    policies = check_policies(options["policy"])
    settings = _settings(options)
    check_format(options["form"])
    trace, pools = _opened(options)
    study = Study(trace, pools, policies, settings, _notes(settings))
    show(study, compare(study, _outputs(options)), as_json=options["as_json"])


def _settings(options: dict[str, Any]) -> Settings:
    if options["mttr"] is not None and options["mtbf"] is None:
        raise InputError(
            "--mttr says when a node is back, and none fails",
            where="--mttr",
            mend="give --mtbf too, or leave both out",
        )
    return Settings(
        durations=options["durations"],
        checkpoint_every=_us(options["checkpoint_every"]),
        restart_cost=_us(options["restart_cost"]) or 0,
        mtbf=_us(options["mtbf"]),
        mttr=_us(options["mttr"]) or HOUR,
        seed=options["seed"],
        parallel=round(1000 * options["scaling"]),
    )


def _outputs(options: dict[str, Any]) -> Outputs:
    if options["parquet"] and options["out"] is None:
        raise InputError(
            "--parquet says how --out is written", where="--parquet", mend="give --out"
        )
    return Outputs(_path(options["out"]), options["parquet"], _path(options["html"]))


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()


def _us(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * SECOND


def _opened(options: dict[str, Any]) -> tuple[Trace, tuple[simulated.SimulatedPool, ...]]:
    url = _store_url(options["trace"])
    pools_file = named(options["pools"], "--pools")
    pools, reserved = (None, ()) if pools_file is None else simulated.load_all(pools_file)
    if url is not None:
        from suan.sim.traces.journal import as_trace, read_history

        history = read_history(url)
        trace = as_trace(history, url, Fitting(pools or history.pools()), limit=options["limit"])
        if pools is not None:  # what was reserved is of the journal's
            trace.reserved = reserved
        return trace, pools or history.pools()
    path = named(options["trace"], "--trace")
    if pools is None:
        raise InputError(
            "a simulation needs pools",
            where="--pools",
            mend="name a pools.yaml with declared nodes (docs/howto/simulate.md shows one)",
        )
    assert path is not None
    trace = open_trace(path, options["form"], Fitting(pools), limit=options["limit"])
    trace.reserved = reserved
    return trace, pools


def _store_url(trace: str) -> str | None:
    """The URL of a store, if the trace is one: given as such, or as an SQLite file."""
    if "://" in trace:
        return trace
    path = Path(trace).expanduser()
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) == _SQLITE:
                return f"sqlite:///{path.absolute()}"
    return None


def _notes(settings: Settings) -> tuple[str, ...]:
    """What the figures rest on, where it is not the usual."""
    told = {
        "requested": "jobs tell what they requested, as their time limit",
        "actual": "jobs tell their true run time in advance",
        "none": "jobs tell nothing of how long they take",
    }[settings.durations]
    return (told,)
