"""Each format: what a good row becomes, and that no bad one goes unnoticed."""

import gzip
from pathlib import Path

import pytest

from suan.model.errors import InputError
from suan.model.resources import Resources
from suan.model.units import HOUR, MINUTE, SECOND
from suan.sim.traces import openb, opening, pai, philly, sacct, swf, tres
from suan.sim.traces.formats import FORMATS
from suan.sim.traces.gangs import divided
from suan.sim.traces.opening import check_format, open_trace
from suan.sim.traces.tally import CHANGED, LEFT_OUT
from tests.sim.world import every, written

SWF = """\
; Version: 2.2
; MaxProcs: 64
1 100 -1 60 4 -1 -1 4 90 -1 1 7 1 1 2 -1 -1 -1
2 110 -1 60 -1 -1 -1 8 -1 -1 1 -1 1 1 -1 -1 -1 -1
3 120 -1 95 4 -1 -1 4 90 -1 1 7 1 1 2 -1 -1 -1
4 130 -1 0 4 -1 -1 4 90 -1 1 7 1 1 2 -1 -1 -1
5 140 -1 60 0 -1 -1 -1 90 -1 1 7 1 1 2 -1 -1 -1
6 -5 -1 60 4 -1 -1 4 90 -1 1 7 1 1 2 -1 -1 -1
7 150 -1 sixty 4 -1 -1 4 90 -1 1 7 1 1 2 -1 -1 -1

8 160 -1 60 128 -1 -1 128 90 -1 1 7 1 1 2 -1 -1 -1
9 170 -1 60 4 -1 -1 4 90
"""


def anything(_: object) -> bool:
    return True


def test_swf_takes_allocated_processors_and_the_requested_time(tmp_path: Path) -> None:
    jobs, _ = every(swf.read, written(tmp_path, "t.swf", SWF))
    first, second, third, _ = jobs
    assert (first.line, first.submit, first.runtime) == (3, 100 * SECOND, 60 * SECOND)
    assert first.requested == 90 * SECOND
    assert first.demand.options[0].per_task == Resources(4000)
    assert (first.user, first.tenant, first.queue) == ("user-7", "user-7", "queue-2")
    assert second.demand.options[0].per_task == Resources(8000)  # as requested
    assert second.requested == second.runtime == 60 * SECOND
    assert (second.user, second.tenant, second.queue) == ("", "default", "default")
    assert third.runtime == 90 * SECOND
    assert first.demand is third.demand


def test_swf_counts_what_it_leaves_out(tmp_path: Path) -> None:
    _, tally = every(swf.read, written(tmp_path, "t.swf", SWF))
    assert tally.lines == {
        "over_limit": [5],
        "zero_length": [6],
        "no_size": [7],
        "no_submit": [8],
        "not_a_number": [9],
        "columns": [12],
    }
    assert tally.left_out == 5
    assert all(count == 1 for count in tally.counts.values())


PHILLY = """\
timestamp,duration,num_gpus,gpu_time,cluster
2017-10-09 07:01:55,66.0,1,66.0,11cb48
2017-10-09 06:13:03,2951.5,16,1,6214e9
2017-10-09 07:02:00,10,12,1,6214e9
2017-10-09 07:02:00,0,1,1,6214e9
2017-10-09 07:02:00,-3,1,1,6214e9
yesterday,10,1,1,6214e9
2017-10-09 07:02:00,10,0,1,6214e9
2017-10-09 07:02:00,10,1
"""
TIGHT = """\
jobname,vc,submit,duration,gpu_num
j1,a,5,30,1
j2,b,5,61,8
j3,a,70,61,24
j4,a,-1,61,1
"""


def test_philly_with_moments(tmp_path: Path) -> None:
    jobs, tally = every(philly.read, written(tmp_path, "p.csv", PHILLY))
    first, gang, odd = jobs
    assert first.submit - gang.submit == 48 * MINUTE + 52 * SECOND
    assert gang.runtime == 2_951_500_000
    assert first.tenant == "11cb48"
    assert first.demand.options[0].infra == "11cb48"
    assert [(each.demand.tasks, _gpus(each)) for each in jobs] == [(1, 1), (2, 8), (3, 4)]
    assert odd.line == 4
    assert tally.lines == {
        "split": [4],
        "zero_length": [5, 6],
        "not_a_number": [7],
        "no_size": [8],
        "columns": [9],
    }


def _gpus(job) -> int:  # type: ignore[no-untyped-def] # a TraceJob
    [(model, amount)] = job.demand.options[0].per_task.accelerators
    assert model == "*"
    return amount // 1000


def test_philly_in_seconds_keeps_names_and_order(tmp_path: Path) -> None:
    jobs, tally = every(philly.read, written(tmp_path, "p.csv", TIGHT))
    assert [(each.name, each.submit, each.demand.tasks) for each in jobs] == [
        ("j1", 5 * SECOND, 1),
        ("j2", 5 * SECOND, 1),
        ("j3", 70 * SECOND, 3),
    ]
    assert tally.lines == {"no_submit": [5]}


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1, 1)), (3, (1, 3)), (8, (1, 8)), (9, (9, 1)), (12, (3, 4)), (64, (8, 8)), (10, (5, 2))],
)
def test_jobs_larger_than_a_node_are_gangs_of_equal_tasks(
    count: int, expected: tuple[int, int]
) -> None:
    assert divided(count) == expected


def test_pai_in_seconds_and_in_hours_are_told_apart(tmp_path: Path) -> None:
    seconds = "arrival_time,length,cpus\n0,90,1\n10,3600,2\n12,600,0.5\n"
    hours = "arrival_time,length,cpus\n0.0,25.408055555555556,1\n0.5769444444444503,0.5,10\n9,9,9\n"
    assert (pai.sniff_seconds(seconds), pai.sniff_hours(seconds)) == (True, False)
    assert (pai.sniff_seconds(hours), pai.sniff_hours(hours)) == (False, True)
    jobs, _ = every(pai.read_seconds, written(tmp_path, "s.csv", seconds))
    assert [(each.submit, each.runtime) for each in jobs] == [
        (0, 90 * SECOND),
        (10 * SECOND, HOUR),
        (12 * SECOND, 600 * SECOND),
    ]
    assert jobs[2].demand.options[0].per_task == Resources(500)
    jobs, _ = every(pai.read_hours, written(tmp_path, "h.csv", hours))
    assert (jobs[0].runtime, jobs[1].submit) == (91469 * SECOND, 2077 * SECOND)


def test_pai_counts_what_it_leaves_out(tmp_path: Path) -> None:
    text = "arrival_time,length,cpus\n1,x,1\n1,5,0\n-1,5,1\n1,0,1\n1,inf,1\n1,nan,1\n1,5\n"
    jobs, tally = every(pai.read_seconds, written(tmp_path, "p.csv", text))
    assert jobs == []
    assert tally.lines == {
        "not_a_number": [2, 6, 7],
        "no_size": [3],
        "no_submit": [4],
        "zero_length": [5],
        "columns": [8],
    }


OPENB = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
p0,6000,12288,1,460,,LS,Running,100,500,120
p1,6000,12288,4,1000,V100M16|V100M32,BE,Running,110,500,120
p2,6000,12288,0,0,,BE,Running,110,500,120
p3,6000,12288,1,1000,,BE,Pending,110,500,
p4,6000,12288,1,1000,,BE,Failed,110,120,120
p5,6000,12288,1,2000,,BE,Running,110,500,120
"""


def test_openb_shares_and_models(tmp_path: Path) -> None:
    jobs, tally = every(openb.read, written(tmp_path, "o.csv", OPENB))
    share, models, plain = (each.demand.options for each in jobs)
    assert (jobs[0].submit, jobs[0].runtime) == (100 * SECOND, 380 * SECOND)
    assert (jobs[0].name, jobs[0].queue) == ("p0", "LS")
    assert [each.per_task for each in share] == [Resources(6000, 12288, (("*", 460),))]
    assert [each.per_task.accelerators for each in models] == [
        (("V100M16", 4000),),
        (("V100M32", 4000),),
    ]
    assert plain[0].per_task == Resources(6000, 12288)
    assert tally.lines == {"never_ran": [5], "zero_length": [6], "not_a_number": [7]}


SACCT = """\
JobID|JobName|User|Account|Partition|Submit|Start|End|ElapsedRaw|Timelimit|NNodes|NCPUS|AllocTRES|State|Priority
10|train|ann|ml|gpu|2024-05-01T10:00:00|2024-05-01T10:01:00|2024-05-01T10:11:00|600|01:00:00|2|16|billing=16,cpu=16,gres/gpu=8,gres/gpu:a100=8,mem=64G,node=2|COMPLETED|0
10.batch|batch|||||||600||||cpu=8|COMPLETED|
10.0|python|||||||600||||cpu=8|COMPLETED|
11_3|sweep|bob|ml|cpu|2024-05-01T10:05:00|2024-05-01T10:06:00|2024-05-01T10:16:00|600|5|1|3|cpu=3,mem=1500M,node=1|TIMEOUT|1200
12|never|bob|ml|cpu|2024-05-01T10:05:00|Unknown|2024-05-01T10:06:00|0|5|1|3||CANCELLED by 7|9
13|odd|bob||cpu|2024-05-01T10:07:00|2024-05-01T10:08:00|2024-05-01T10:09:00|60|UNLIMITED|2|2|cpu=2,gres/gpu=3,node=2|FAILED|5
14|when|bob|ml|cpu|Unknown|2024-05-01T10:06:00|2024-05-01T10:06:00|5|5|1|3||FAILED|9
15|what|bob|ml|cpu|2024-05-01T10:05:00|2024-05-01T10:06:00|2024-05-01T10:06:00|five|5|1|3||FAILED|9
"""


def test_sacct_jobs_and_what_they_were_given(tmp_path: Path) -> None:
    jobs, tally = every(sacct.read, written(tmp_path, "s.txt", SACCT))
    gang, member, odd = jobs
    assert gang.runtime == 600 * SECOND
    assert gang.requested == HOUR
    assert (gang.user, gang.tenant, gang.queue, gang.name) == ("ann", "ml", "gpu", "train")
    assert gang.demand.tasks == 2
    assert gang.demand.options[0].per_task == Resources(8000, 32 * 1024, (("A100-80GB", 4000),))
    assert member.submit - gang.submit == 5 * MINUTE
    assert (member.runtime, member.requested) == (5 * MINUTE, 5 * MINUTE)  # a bare 5 is minutes
    assert member.demand.options[0].per_task == Resources(3000, 1500)
    assert odd.demand.options[0].per_task == Resources(1000, 0, (("*", 2000),))
    assert (odd.requested, odd.tenant, odd.priority) == (None, "default", 5)
    assert tally.lines == {
        "step": [3, 4],
        "over_limit": [5],
        "priority": [5],
        "never_ran": [6],
        "rounded": [7],
        "no_submit": [8],
        "not_a_number": [9],
    }


@pytest.mark.parametrize(
    ("header", "row", "runtime"),
    [
        ("JobID|Submit|Elapsed|ReqTRES", "1|2024-05-01T10:00:00|1-02:03:04|cpu=2", 93_784),
        ("JobID|Submit|Elapsed|AllocCPUS", "1|2024-05-01T10:00:00|02:03|2", 123),
        (
            "JobID|Submit|Start|End|ReqCPUS|TimelimitRaw",
            "1|2024-05-01T10:00:00|2024-05-01T11:00:00|2024-05-01T11:00:40|2|90",
            40,
        ),
    ],
)
def test_sacct_takes_what_fields_there_are(
    tmp_path: Path, header: str, row: str, runtime: int
) -> None:
    jobs, tally = every(sacct.read, written(tmp_path, "s.txt", f"{header}\n{row}\n"))
    assert [each.runtime for each in jobs] == [runtime * SECOND]
    assert jobs[0].demand.options[0].per_task.cpu_milli == 2000
    assert not tally.counts


def test_tres_is_parsed_and_a_bad_part_refused() -> None:
    assert tres.parse("cpu=64,gres/gpu:a100=8") == {"cpu": "64", "gres/gpu:a100": "8"}
    assert tres.accelerators({"gres/gpu": "4"}) == {"*": 4}
    assert tres.accelerators({"cpu": "4"}) == {}
    with pytest.raises(ValueError, match="name=amount"):
        tres.parse("cpu=64,gpu")


SAMPLES = {
    "swf": SWF,
    "philly": PHILLY,
    "pai": "arrival_time,length,cpus\n0,90,1\n",
    "pai-hours": "arrival_time,length,cpus\n0.0,25.408055555555556,1\n0.5,0.5,10\n1,1,1",
    "openb": OPENB,
    "sacct": SACCT,
}


@pytest.fixture(params=[100_000, 1], ids=["kept", "streamed"], autouse=True)
def kept_jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that are kept in memory, and traces that are read anew, are the same."""
    monkeypatch.setattr(opening, "KEPT_JOBS", request.param)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_known_by_its_beginning(tmp_path: Path, form: str) -> None:
    trace = open_trace(written(tmp_path, "trace", SAMPLES[form]), None, anything)
    assert trace.format == form
    jobs = list(trace.jobs())
    assert jobs == list(trace.jobs()), "a trace can be gone through again"
    assert trace.count == len(jobs) > 0
    assert jobs[0].submit == 0
    assert [each.submit for each in jobs] == sorted(each.submit for each in jobs)
    assert trace.last == jobs[-1].submit


def test_rows_out_of_order_are_sorted_and_told(tmp_path: Path) -> None:
    text = "jobname,vc,submit,duration,gpu_num\n" + "".join(
        f"j{n},a,{submit},9,1\n" for n, submit in enumerate((7, 9, 7, 3, 9, 8))
    )
    trace = open_trace(written(tmp_path, "t.csv", text), None, anything)
    assert [(each.name, each.submit // SECOND) for each in trace.jobs()] == [
        ("j3", 0),
        ("j0", 4),
        ("j2", 4),
        ("j5", 5),
        ("j1", 6),
        ("j4", 6),
    ]
    assert trace.tally.lines == {"unordered": [4, 5, 7]}


def test_only_the_first_jobs_are_used_with_a_limit(tmp_path: Path) -> None:
    trace = open_trace(written(tmp_path, "t.swf", SWF), "swf", anything, limit=2)
    assert [each.line for each in trace.jobs()] == [3, 4]
    assert trace.count == 2


def test_what_no_pool_can_hold_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "t.swf", SWF)
    trace = open_trace(path, None, lambda job: job.demand.options[0].per_task.cpu_milli <= 64_000)
    assert trace.tally.lines["too_large"] == [11]
    assert 11 not in [each.line for each in trace.jobs()]


def test_gzip_is_read_and_a_cut_one_told(tmp_path: Path) -> None:
    rows = "".join(f"{n} {n} -1 60 4 -1 -1 4 90 -1 1 7 1 1 2 -1 -1 -1\n" for n in range(20_000))
    whole, cut = tmp_path / "t.swf.gz", tmp_path / "cut.swf.gz"
    whole.write_bytes(gzip.compress(rows.encode()))
    cut.write_bytes(whole.read_bytes()[:-2000])
    assert open_trace(whole, None, anything).count == 20_000
    trace = open_trace(cut, None, anything)
    assert 0 < trace.count < 20_000
    assert trace.tally.counts["cut_short"] == 1
    assert len(list(trace.jobs())) == trace.count
    assert "the file ends in the middle" in " ".join(trace.tally.told())


def test_what_was_wrong_is_told_in_sentences(tmp_path: Path) -> None:
    trace = open_trace(written(tmp_path, "p.csv", PHILLY), None, anything)
    said = trace.tally.told()
    [lengths] = [each for each in said if "zero_length" in each]
    assert lengths.startswith("2 left out")
    assert "(lines 5, 6)" in lengths
    assert len(said) == len(trace.tally.counts)


@pytest.mark.parametrize(
    ("text", "form", "word"),
    [
        ("", None, "no format"),
        ("a,b\n1,2\n", None, "no format"),
        ("a,b\n1,2\n", "philly", "no column 'submit'"),
        ("", "sacct", "no column 'JobID'"),
        ("; only comments\n", None, "no rows"),
        ("JobID|Submit\n1|2024-05-01T10:00:00\n", None, "no column 'Start'"),
        ("arrival_time,length,cpus\n0,0,1\n", None, "zero_length"),
    ],
)
def test_a_trace_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, form: str | None, word: str
) -> None:
    path = written(tmp_path, "trace", text)
    with pytest.raises(InputError) as caught:
        open_trace(path, form, anything)
    assert word in caught.value.message
    assert str(path) in caught.value.where
    assert caught.value.mend


def test_a_file_that_is_not_there_and_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        open_trace(tmp_path / "absent", "swf", anything)
    with pytest.raises(InputError, match="no trace format called 'swv'"):
        check_format("swv")


def test_causes_are_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "traces.md"
    text = page.read_text()
    assert not [each for each in (*LEFT_OUT, *CHANGED, *FORMATS) if f"`{each}`" not in text]
