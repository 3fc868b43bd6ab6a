"""What travels with a run: the program of ``job``, and what it is to run, as one package."""

import json
import zipfile
from functools import cache
from importlib import resources
from io import BytesIO
from typing import Any

PROGRAM = "suan.pools.ray.job"
_MODULES = (
    "__init__", "__main__", "bringing", "gang", "letters", "main", "output", "places", "single",
    "stopping", "surroundings", "task", "telling", "tree",
)  # fmt: skip
_CONTENT = "suan.content"
_OF_CONTENT = ("cache", "manifest", "outputs")


def package(name: str, launch: dict[str, Any]) -> bytes:
    """The package of a run; the program finds ``launch`` in it by ``name``."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in _program().items():
            archive.writestr(path, text)
        archive.writestr(f"{name}.json", json.dumps(launch))
    return file.getvalue()


def entry_point(python: str, name: str) -> str:
    """The command of a run's job. ``exec``: Ray's stop must reach the program, not a shell."""
    return f"exec {python} -m {PROGRAM} {name}"


@cache
def _program() -> dict[str, str]:
    words = PROGRAM.split(".")
    found = {"/".join((*words[:length], "__init__.py")): "" for length in range(1, len(words))}
    found["suan/content/__init__.py"] = ""
    for package, modules in ((PROGRAM, _MODULES), (_CONTENT, _OF_CONTENT)):
        for module in modules:
            source = resources.files(package).joinpath(f"{module}.py")
            path = f"{package.replace('.', '/')}/{module}.py"
            found[path] = source.read_text(encoding="utf-8")
    return found
