"""The OpenAPI document: current, complete, with true examples; and the API does what it says."""

import json
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from suan import __version__
from suan.api import examples
from suan.api.application import routes_alone
from suan.api.openapi import document
from suan.api.problems import CODES
from suan.model.spec import JobSpec
from tests.api.conftest import Api

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def app() -> FastAPI:
    return routes_alone(__version__)


def test_the_kept_document_is_current(app: FastAPI) -> None:
    kept = json.loads((DOCS / "openapi.json").read_text())
    assert kept == json.loads(json.dumps(document(app))), "run scripts/openapi.py, see its head"


def test_every_operation_is_tagged_explained_and_has_an_example(app: FastAPI) -> None:
    for path, operations in document(app)["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["tags"], where
            assert operation["description"], where
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    if kind != "application/octet-stream":
                        assert "example" in content, f"{where} {status} {kind}"
                    if status >= "400" and path != "/v1/health":
                        assert kind == "application/problem+json", where
            if method in ("post", "put") and "requestBody" in operation:
                for content in operation["requestBody"]["content"].values():
                    assert "example" in content, where


async def test_the_examples_of_jobs_are_jobs(api: Api) -> None:
    for job in (examples.JOB, *examples.BATCH["jobs"]):
        TypeAdapter(JobSpec).validate_python(job)
    headers = {"Content-Type": "application/yaml"}
    for text in (examples.YAML, examples.SCRIPT):
        if text.startswith("#!"):
            headers = {"Content-Type": "text/x-shellscript"}
        answer = await api.http.post("/v1/jobs", content=text, headers=headers)
        assert answer.status_code == 201, answer.text
    assert (await api.http.post("/v1/jobs", json=examples.JOB)).status_code == 201
    assert (await api.http.post("/v1/jobs/batch", json=examples.BATCH)).status_code == 201


def test_every_code_is_documented_with_its_status() -> None:
    page = (DOCS / "reference" / "errors.md").read_text()
    for code, (status, _) in CODES.items():
        assert re.search(rf"\| `{code}` \| .*{status}", page), code


async def test_every_metric_is_documented(api: Api) -> None:
    page = (DOCS / "reference" / "metrics.md").read_text()
    text = (await api.http.get("/metrics")).text
    names = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    assert names
    assert not {name for name in names if f"`{name}`" not in page and not name.endswith("_created")}
