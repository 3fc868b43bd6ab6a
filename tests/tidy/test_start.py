"""Starting is cheap: what a command must not load before it is needed."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "alembic",
    "fastapi",
    "httpx",
    "kubernetes",
    "numpy",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "ray",
    "rich",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
    "yaml",
}
SERVER_ONLY = {"suan.api", "suan.control", "suan.core", "suan.pools", "suan.store"}

RUN = """
import json, runpy, sys
sys.argv = ["suan", *json.loads(sys.argv[1])]
try:
    runpy.run_module("suan", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
finally:
    print("\\n" + json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """The modules that a command loads, by name."""
    result = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(result.stderr.splitlines()[-1]))


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(argument: str) -> None:
    modules = loaded(argument)
    assert "suan.app.main" in modules
    assert not modules & (HEAVY | SERVER_ONLY)


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = "import sys, suan; print(*(m for m in sys.modules if m.startswith('suan.')))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
