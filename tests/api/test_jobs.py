"""Listing, counting, showing, cancelling and explaining jobs."""

from dataclasses import replace

from suan.model.bill import Bill
from suan.model.job import Cause, JobState, Outcome, RunState, Stopping
from suan.model.store import JobUpdate
from tests.api.conftest import NOW, Api
from tests.api.test_submit import problem


async def test_pages_newest_first(api: Api) -> None:
    jobs = {"jobs": [{"run": "x", "name": f"j{i}"} for i in range(5)]}
    made = (await api.http.post("/v1/jobs/batch", json=jobs)).json()["jobs"]
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.http.get("/v1/jobs", params=query)).json()
        seen += [job["id"] for job in page["jobs"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == made[::-1]


async def test_filters(api: Api) -> None:
    await api.add_job("0000000000aa", name="a", labels={"team": "x"})
    await api.add_job("0000000000bb", name="b")
    for query in ("label=team%3Dx", "name=a", "state=pending&name=a&user=local&tenant=default"):
        page = (await api.http.get(f"/v1/jobs?{query}")).json()
        assert [job["id"] for job in page["jobs"]] == ["0000000000aa"], query
    assert (await api.http.get("/v1/jobs?state=running")).json()["jobs"] == []
    counts = (await api.http.get("/v1/jobs/counts?label=team%3Dx")).json()
    assert (counts["pending"], counts["running"]) == (1, 0)


async def test_wrong_filters(api: Api) -> None:
    for query, where in (
        ("state=lost", "query.state[0]"),
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("label=x", "query.label"),
        ("cursor=zzz", "cursor"),
        ("staet=pending", "query.staet"),
        ("name=%00", "query.name"),
    ):
        answer = await api.http.get(f"/v1/jobs?{query}")
        assert problem(answer, 422, "invalid_input")["where"] == where


async def test_a_job_whole(api: Api) -> None:
    job = await api.add_job()
    run = await api.add_run(job)
    ended = replace(
        run,
        state=RunState.ENDED,
        ended_at=NOW,
        outcome=Outcome(Cause.FAILED, 3, detail="it broke"),
        bill=Bill(cpu_ms=10, money=5),
    )
    await api.record(runs=(ended,), jobs=(JobUpdate(job, JobState.FAILED, 1, exit_code=3),))
    shown = (await api.http.get(f"/v1/jobs/{job}")).json()
    assert shown["job"]["exit_code"] == 3
    assert shown["runs"][0]["cause"] == "failed"
    assert shown["bill"]["money"] == 5
    why = (await api.http.get(f"/v1/jobs/{job}/explain")).json()
    assert "exit code 3" in why["summary"]


async def test_who_made_a_run_go_is_told_while_it_goes_and_afterwards(api: Api) -> None:
    job = await api.add_job()
    run = await api.add_run(job)
    going = replace(run, stop=Stopping(Cause.PREEMPTED, "it makes room for job x"))
    await api.record(runs=(going,))
    (shown,) = (await api.http.get(f"/v1/jobs/{job}")).json()["runs"]
    assert shown["stopping"] == "preempted: it makes room for job x"
    why = (await api.http.get(f"/v1/jobs/{job}/explain")).json()
    assert why["last_run"] == shown["stopping"]
    gone = replace(going, state=RunState.ENDED, ended_at=NOW + 1, outcome=going.stop)
    said = "the run was preempted: it makes room for job x; retry 1 of 1000"
    update = JobUpdate(job, JobState.PENDING, 1, detail=said)
    await api.record(runs=(gone,), jobs=(update,))
    (shown,) = (await api.http.get(f"/v1/jobs/{job}")).json()["runs"]
    assert (shown["stopping"], shown["cause"]) == ("", "preempted")
    why = (await api.http.get(f"/v1/jobs/{job}/explain")).json()
    assert why["last_run"] == said


async def test_no_such_job(api: Api) -> None:
    for job in ("0000000000zz", "x", "..", "%00", "0000000000AA", "é" * 12):
        for path in (f"/v1/jobs/{job}", f"/v1/jobs/{job}/logs", f"/v1/jobs/{job}/explain"):
            if job != "..":
                problem(await api.http.get(path), 404, "not_found")
    problem(await api.http.post("/v1/jobs/0000000000zz/cancel"), 404, "not_found")


async def test_cancel_leaves_a_command_for_the_leader(api: Api) -> None:
    job = await api.add_job()
    answer = await api.http.post(f"/v1/jobs/{job}/cancel")
    assert (answer.status_code, answer.json()) == (202, {"cancelled": [job]})
    [(_, command)] = (await api.store.gather(10)).commands
    assert (command.kind, command.target, command.by) == ("cancel", job, "local")


async def test_cancel_an_array_and_what_has_ended(api: Api) -> None:
    made = (await api.http.post("/v1/jobs", json={"run": "x", "array": [0, 1, 2]})).json()
    await api.record(jobs=(JobUpdate(made["jobs"][1], JobState.SUCCEEDED, 1),))
    answer = await api.http.post(f"/v1/jobs/{made['id']}/cancel")
    assert answer.json() == {"cancelled": [made["jobs"][0], made["jobs"][2]]}
    answer = await api.http.post(f"/v1/jobs/{made['jobs'][1]}/cancel")
    assert (answer.status_code, answer.json()) == (202, {"cancelled": []})


async def test_what_is_not_served(api: Api) -> None:
    problem(await api.http.get("/v1/nope"), 404, "not_found")
    found = await api.http.delete("/v1/jobs")
    assert problem(found, 405, "method_not_allowed")["mend"].startswith("use ")
