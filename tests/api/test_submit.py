"""Submitting: one job, arrays, batches, files, scripts; and what is refused before anything is."""

import asyncio
from typing import Any

import httpx
import pytest

from suan.api import edge
from suan.api.submission import new_id
from suan.model.store import JobFilter
from tests.api.conftest import Api

YAML = {"Content-Type": "application/yaml"}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The one problem of an answer, complete."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "where", "mend"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]
    assert "Traceback" not in answer.text
    return body


async def count(api: Api) -> int:
    return sum((await api.store.counts(JobFilter())).values())


async def test_a_job_is_there_when_it_is_acknowledged(api: Api) -> None:
    answer = await api.http.post("/v1/jobs", json={"run": "true", "name": "hello"})
    assert answer.status_code == 201
    job = await api.store.get(answer.json()["id"])
    assert job is not None
    assert (job.spec.name, job.user) == ("hello", "local")
    assert api.loop.nudges == 1


async def test_the_stated_user_owns_the_job(api: Api) -> None:
    answer = await api.http.post(
        "/v1/jobs", json={"run": "true"}, headers={"X-Suan-User": "ada@lab"}
    )
    job = await api.store.get(answer.json()["id"])
    assert job is not None
    assert job.user == "ada@lab"
    bad = await api.http.post("/v1/jobs", json={"run": "true"}, headers={"X-Suan-User": "a b"})
    assert problem(bad, 422, "invalid_input")["where"] == "X-Suan-User"


async def test_ids_are_twelve_characters_of_crockfords_alphabet() -> None:
    assert new_id(lambda n: b"\x00" * n) == "000000000000"
    assert new_id(lambda n: b"\xff" * n) == "zzzzzzzzzzzz"


async def test_an_array_and_a_sweep_are_expanded(api: Api) -> None:
    array = (await api.http.post("/v1/jobs", json={"run": "true", "array": [1, 3]})).json()
    assert array["jobs"] == [f"{array['id']}-1", f"{array['id']}-3"]
    sweep = {"LR": ["0.1", "0.2"], "SEED": ["1", "2"]}
    made = (await api.http.post("/v1/jobs", json={"run": "true", "sweep": sweep})).json()
    last = (await api.http.get(f"/v1/jobs/{made['jobs'][3]}")).json()["job"]
    assert (last["array_id"], last["array_index"]) == (made["id"], 3)
    assert last["params"] == {"LR": "0.2", "SEED": "2"}


async def test_a_job_file_and_a_batch_script_are_read(api: Api) -> None:
    text = "name: card\nresources:\n  accelerators: A100:2\nrun: echo hi\nnonsense: 1\n"
    made = (await api.http.post("/v1/jobs", content=text, headers=YAML)).json()
    assert "nonsense" in made["warnings"][0]
    job = (await api.http.get(f"/v1/jobs/{made['id']}")).json()
    assert job["spec"]["resources"][0]["accelerators"] == {"A100-80GB": 2000}
    script = "#!/bin/bash\n#SBATCH --job-name=old --array=0-2\nhostname\n"
    headers = {"Content-Type": "text/x-shellscript"}
    made = (await api.http.post("/v1/jobs", content=script, headers=headers)).json()
    assert len(made["jobs"]) == 3


async def test_a_place_gets_its_one_spelling(api: Api) -> None:
    body = {"run": "true", "resources": [{"infra": "k8s/east"}]}
    made = (await api.http.post("/v1/jobs", json=body)).json()
    job = await api.store.get(made["id"])
    assert job is not None
    assert job.spec.resources[0].infra == "kubernetes/east"


async def test_accelerators_get_their_one_spelling(api: Api) -> None:
    body = {"run": "true", "resources": [{"accelerators": {"nvidia a100": 500}}]}
    made = (await api.http.post("/v1/jobs", json=body)).json()
    job = await api.store.get(made["id"])
    assert job is not None
    assert job.spec.resources[0].accelerators == {"A100-80GB": 500}


async def test_impossible_resources_wait_and_say_why(api: Api) -> None:
    body = {"run": "true", "num_nodes": 9000, "resources": [{"accelerators": {"TPU-V9": 64000}}]}
    answer = await api.http.post("/v1/jobs", json=body)
    assert answer.status_code == 201
    why = (await api.http.get(f"/v1/jobs/{answer.json()['id']}/explain")).json()
    assert why["refusals"][0]["code"] == "no_such_accelerator"
    assert why["refusals"][0]["permanent"] is True


async def test_how_a_job_saves_its_work_is_kept_and_shown(api: Api) -> None:
    saves = {"signal": "SIGUSR1", "grace": 90_000_000}
    made = (await api.http.post("/v1/jobs", json={"run": "x", "checkpoint": saves})).json()
    shown = (await api.http.get(f"/v1/jobs/{made['id']}")).json()
    assert shown["spec"]["checkpoint"] == {**saves, "interval": None}
    text = "run: x\ncheckpoint: 10m\n"
    made = (await api.http.post("/v1/jobs", content=text, headers=YAML)).json()
    shown = (await api.http.get(f"/v1/jobs/{made['id']}")).json()
    assert shown["spec"]["checkpoint"]["interval"] == 600_000_000


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"run": "x", "checkpoint": {"signal": "SIGKILL"}}, "checkpoint", "unknown signal 'SIGKILL'"),
    ({"run": "x", "checkpoint": {"grace": -1}}, "checkpoint", "grace must not be negative"),
    ({"run": "x", "checkpoint": {"every": 1}}, "checkpoint.every", "'every'"),
    ({}, "run", ""),
    ({"run": " "}, "run", "run: the command is empty"),
    ({"run": 5}, "run", "string"),
    ({"run": "true", "num_node": 2}, "num_node", "'num_node'"),
    ({"run": "true", "num_nodes": "2"}, "num_nodes", "integer"),
    ({"run": "true", "num_nodes": 0}, "num_nodes", "num_nodes: must be from 1"),
    ({"run": "true", "priority": 5000}, "priority", "priority"),
    ({"run": "true", "resources": []}, "resources", "at least one option"),
    ({"run": "true", "resources": [{"cpus": 4}]}, "resources[0].cpus", "'cpus'"),
    ({"run": "true", "resources": [{"cpu_milli": 2**70}]}, "resources[0].cpu_milli", "too large"),
    ({"run": "true", "resources": [{"accelerators": {"A100": 0}}]}, "resources[0]", "positive"),
    (
        {"run": "true", "resources": [{"accelerators": {"A100": 1, "a100": 1}}]},
        "resources[0].accelerators",
        "two names",
    ),
    ({"run": "true", "resources": [{"infra": "a b"}]}, "resources[0].infra", "not a place"),
    ({"run": "true", "reservation": "a b"}, "reservation", "'a b'"),
    ({"run": "true", "after": [{"job": "nope"}]}, "after[0].job", "'nope'"),
    ({"run": "true", "after": [{"job": "x", "condition": "done"}]}, "after[0]", "'done'"),
    ({"run": "true", "queue": "nowhere"}, "queue", "no queue 'nowhere'"),
    ({"run": "true", "envs": {"A B": "1"}}, "envs", "'A B'"),
    ({"run": "a\0b"}, "run", "NUL"),
    ({"run": "true", "array": [1, 1]}, "array", "twice"),
    ({"run": "true", "array": [-1]}, "array", "negative"),
    ({"run": "true", "sweep": {"A": []}}, "sweep.A", "without values"),
    ({"run": "true", "time_limit": -1}, "time_limit", "positive"),
    ({"run": "true", "priority": 10**400}, "priority", "…"),
    ({"run": "true", "name": "a\x1b[31m"}, "name", "cannot be shown"),
    ({"run": "true", "name": "a\r\nb"}, "name", "cannot be shown"),
    ({"run": "true", "name": "a\u202eb"}, "name", "cannot be shown"),
    ({"run": "true", "time_limit": 10**18}, "time_limit", "too large"),
]


@pytest.mark.parametrize(("body", "where", "detail"), BAD)
async def test_one_clear_problem_and_nothing_is_kept(
    api: Api, body: dict[str, Any], where: str, detail: str
) -> None:
    found = problem(await api.http.post("/v1/jobs", json=body), 422, "invalid_input")
    assert found["where"] == where
    assert detail in found["detail"]
    assert await count(api) == 0


async def test_a_mistyped_field_is_guessed(api: Api) -> None:
    found = problem(
        await api.http.post("/v1/jobs", json={"run": "true", "num_node": 2}), 422, "invalid_input"
    )
    assert found["mend"] == "did you mean 'num_nodes'?"


async def test_a_batch_nested_too_deep_is_refused(api: Api) -> None:
    body: bytes = b'{"jobs":[' + b"[" * 10_000 + b"]" * 10_000 + b"]}"
    answer = await api.http.post(
        "/v1/jobs/batch", content=body, headers={"Content-Type": "application/json"}
    )
    assert "nested" in problem(answer, 400, "invalid_input")["detail"]


async def test_a_body_that_stops_half_way_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "BODY_SILENCE_S", 0.01)
    sent = [{"type": "http.request", "body": b"{", "more_body": True}]
    came: list[Any] = []

    async def receive() -> Any:
        while not sent:
            await asyncio.Event().wait()
        return sent.pop()

    async def send(message: Any) -> None:
        came.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/jobs",
        "raw_path": b"/v1/jobs",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    await asyncio.wait_for(api.app(scope, receive, send), 20)
    assert came[0]["status"] == 400
    assert b"nothing of the body came" in came[1]["body"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"jobs": [] x'])
async def test_a_body_that_is_not_json(api: Api, body: bytes) -> None:
    for path in ("/v1/jobs", "/v1/jobs/batch"):
        answer = await api.http.post(
            path, content=body, headers={"Content-Type": "application/json"}
        )
        assert problem(answer, 400, "invalid_input")["where"] == "body"


async def test_malformed_yaml_names_its_line(api: Api) -> None:
    answer = await api.http.post("/v1/jobs", content="run: [\nname: x\n", headers=YAML)
    assert problem(answer, 422, "invalid_input")["where"].startswith("job.yaml:3:")


async def test_another_content_type(api: Api) -> None:
    answer = await api.http.post("/v1/jobs", content="x", headers={"Content-Type": "text/html"})
    assert "text/html" in problem(answer, 415, "unsupported_media_type")["detail"]
    answer = await api.http.post("/v1/jobs", content=b"x")
    assert problem(answer, 415, "unsupported_media_type")["where"] == "Content-Type"


async def test_a_job_file_of_ten_megabytes(api: Api) -> None:
    for headers in (YAML, {"Content-Type": "application/json"}):
        answer = await api.http.post("/v1/jobs", content=b"#" * 10_000_000, headers=headers)
        assert "1,048,576" in problem(answer, 413, "too_large")["detail"]


async def test_a_hundred_thousand_jobs_in_one_call(api: Api) -> None:
    body = {"jobs": [{"run": f"echo {i}"} for i in range(100_000)]}
    answer = await api.http.post("/v1/jobs/batch", json=body, timeout=60)
    assert answer.status_code == 201
    assert len(set(answer.json()["jobs"])) == 100_000 == await count(api)


async def test_an_array_of_a_hundred_thousand(api: Api) -> None:
    others = 0

    async def meanwhile(submitted: asyncio.Task[httpx.Response]) -> None:
        nonlocal others
        while not submitted.done():
            answer = await api.http.get("/v1/health")
            others += answer.json()["checks"]["store"] == "ok"  # on a busy machine not each time

    body = {"run": "true", "array": list(range(100_000))}
    submitted = asyncio.create_task(api.http.post("/v1/jobs", json=body, timeout=60))
    await meanwhile(submitted)
    assert len((await submitted).json()["jobs"]) == 100_000 == await count(api)
    assert others > 5, "the server answered nobody else meanwhile"


@pytest.mark.parametrize(
    "sweep", [{"A": ["1"] * 1000, "B": ["1"] * 101}, {c: ["1"] * 9999 for c in "ABCDEF"}]
)
async def test_one_job_too_many(api: Api, sweep: dict[str, list[str]]) -> None:
    answer = await api.http.post("/v1/jobs", json={"run": "true", "sweep": sweep})
    assert "100,000" in problem(answer, 413, "too_large")["detail"]
    jobs = [{"run": "x"}] * 100_001
    answer = await api.http.post("/v1/jobs/batch", json={"jobs": jobs})
    assert problem(answer, 413, "too_large")["where"] == "jobs"
    assert await count(api) == 0


async def test_a_batch_is_all_or_none_and_names_the_job(api: Api) -> None:
    jobs = [{"run": "true"}] * 7 + [{"run": "true", "num_nodes": "many"}]
    found = problem(
        await api.http.post("/v1/jobs/batch", json={"jobs": jobs}), 422, "invalid_input"
    )
    assert found["where"] == "jobs[7].num_nodes"
    for body in ({}, {"jobs": []}, {"jobs": 3}, {"jobs": [{"run": "true"}], "more": 1}):
        problem(await api.http.post("/v1/jobs/batch", json=body), 422, "invalid_input")
    assert await count(api) == 0


async def test_after_names_jobs_of_the_batch_ids_and_arrays(api: Api) -> None:
    array = (await api.http.post("/v1/jobs", json={"run": "x", "array": [0, 1]})).json()
    other = (await api.http.post("/v1/jobs", json={"run": "x"})).json()["id"]
    after = [{"job": "first"}, {"job": other, "condition": "ended"}, {"job": array["id"]}]
    batch = {
        "jobs": [{"run": "x", "name": "second", "after": after}, {"run": "x", "name": "first"}]
    }
    second, first = (await api.http.post("/v1/jobs/batch", json=batch)).json()["jobs"]
    shown = (await api.http.get(f"/v1/jobs/{second}")).json()["after"]
    assert sorted(map(tuple, shown)) == sorted(
        [
            (first, "succeeded"),
            (other, "ended"),
            (array["jobs"][0], "succeeded"),
            (array["jobs"][1], "succeeded"),
        ]
    )


async def test_jobs_that_wait_for_each_other_are_refused(api: Api) -> None:
    ring = [
        {"run": "x", "name": "a", "after": [{"job": "c"}]},
        {"run": "x", "name": "b", "after": [{"job": "a"}]},
        {"run": "x", "name": "c", "after": [{"job": "b"}]},
    ]
    found = problem(
        await api.http.post("/v1/jobs/batch", json={"jobs": ring}), 422, "invalid_input"
    )
    assert "for itself" in found["detail"]
    alone = {"run": "x", "name": "a", "after": [{"job": "a"}]}
    problem(await api.http.post("/v1/jobs", json=alone), 422, "invalid_input")


async def test_a_long_chain_is_no_ring(api: Api) -> None:
    chain = [{"run": "x", "name": f"j{i}", "after": [{"job": f"j{i + 1}"}]} for i in range(3000)]
    batch = {"jobs": [*chain, {"run": "x", "name": "j3000"}]}
    answer = await api.http.post("/v1/jobs/batch", json=batch)
    assert answer.status_code == 201, answer.text


async def test_a_name_that_stands_for_two_jobs(api: Api) -> None:
    jobs = [{"run": "x", "name": "a"}] * 2 + [{"run": "x", "name": "b", "after": [{"job": "a"}]}]
    found = problem(
        await api.http.post("/v1/jobs/batch", json={"jobs": jobs}), 422, "invalid_input"
    )
    assert found["where"] == "jobs[2].after[0].job"


async def test_two_large_arrays_may_not_wait_member_for_member(api: Api) -> None:
    many = list(range(2000))
    jobs = [
        {"run": "x", "name": "a", "array": many},
        {"run": "x", "name": "b", "array": many, "after": [{"job": "a"}]},
    ]
    found = problem(
        await api.http.post("/v1/jobs/batch", json={"jobs": jobs}), 422, "invalid_input"
    )
    assert "dependencies" in found["detail"]


async def test_a_key_makes_jobs_once(api: Api) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await api.http.post("/v1/jobs", json={"run": "x", "array": [4, 5]}, headers=headers)
    again = await api.http.post("/v1/jobs", json={"run": "x", "array": [4, 5]}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "repeated": True}
    assert await count(api) == 2
    other = await api.http.post("/v1/jobs", json={"run": "y"}, headers=headers)
    problem(other, 409, "conflict")
    elsewhere = await api.http.post(
        "/v1/jobs/batch", json={"jobs": [{"run": "x"}]}, headers=headers
    )
    problem(elsewhere, 409, "conflict")


async def test_keys_of_two_users_do_not_meet(api: Api) -> None:
    ids = set()
    for user in ("ada", "bob"):
        headers = {"Idempotency-Key": "k", "X-Suan-User": user}
        ids.add((await api.http.post("/v1/jobs", json={"run": "x"}, headers=headers)).json()["id"])
    assert len(ids) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_what_is_no_key(api: Api, key: str) -> None:
    answer = await api.http.post("/v1/jobs", json={"run": "x"}, headers={"Idempotency-Key": key})
    assert problem(answer, 422, "invalid_input")["where"] == "Idempotency-Key"


async def test_secrets_are_never_shown(api: Api) -> None:
    body = {"run": "true", "secrets": {"API_KEY": "hunter2"}}
    made = (await api.http.post("/v1/jobs", json=body)).json()
    for path in (f"/v1/jobs/{made['id']}", "/v1/jobs", "/v1/events"):
        assert "hunter2" not in (await api.http.get(path)).text
    shown = (await api.http.get(f"/v1/jobs/{made['id']}")).json()
    assert shown["spec"]["secrets"] == {"API_KEY": "***"}


async def test_a_wrong_secret_is_not_told_back(api: Api) -> None:
    answer = await api.http.post("/v1/jobs", json={"run": 1, "secrets": {"K": ["hunter2"]}})
    assert "hunter2" not in answer.text


async def test_a_plan_changes_nothing_and_asks_once_per_demand(api: Api) -> None:
    body = {"run": "x", "array": list(range(50))}
    found = (await api.http.post("/v1/plans", json=body)).json()["plans"]
    assert len(found) == 1
    assert found[0]["costs"][0]["terms"] == {"devices": 3, "energy": 4}
    assert await count(api) == 0
    two = "name: a\nrun: x\n---\nname: b\nrun: x\nnum_nodes: 2\n"
    found = await api.http.post("/v1/plans", content=two, headers=YAML)
    assert len(found.json()["plans"]) == 2
    longer = "name: a\nrun: x\n---\nname: b\nrun: x\ntime_limit: 2h\n"
    found = await api.http.post("/v1/plans", content=longer, headers=YAML)
    assert len(found.json()["plans"]) == 2  # what it may pass depends on how long it takes
    times = found.json()["plans"][0]
    assert (times["earliest"], times["latest"]) == ("1970-01-01T00:00:01Z", "1970-01-01T00:01:00Z")
    assert times["rests_on"] == "what runs now"
