"""Sending the login node's program there: its modules travel ahead of the first request."""

import json
from importlib import resources

PACKAGE = "suan.pools.slurm.login"
CONTENT = "suan.content"
_MODULES = (
    "attempts", "commands", "clusterview", "files", "outcomes", "launching", "watching",
    "restwords", "rest", "serving",
)  # fmt: skip
_OF_CONTENT = ("manifest", "cache", "outputs")  # which have to run on old Pythons for its sake
# Reads its own modules from its input and gives the rest of it to the program. Python 3.6.
BOOT = (
    "import sys,json,types\n"
    "i=sys.stdin.buffer\n"
    "for n,p,s in json.loads(i.read(int(i.readline())).decode()):\n"
    " m=types.ModuleType(n)\n"
    " sys.modules[n]=m\n"
    " if p:m.__path__=[]\n"
    " exec(compile(s,n,'exec'),m.__dict__)\n"
    "sys.modules['" + PACKAGE + ".serving'].main()\n"
)


def modules() -> list[tuple[str, bool, str]]:
    """Every module of the program: its name, whether it is a package, its source; in order."""
    words = PACKAGE.split(".")
    packages = [".".join(words[: length + 1]) for length in range(len(words))] + [CONTENT]
    theirs = [(CONTENT, name) for name in _OF_CONTENT] + [(PACKAGE, name) for name in _MODULES]
    own = [(f"{home}.{name}", False, _text(f"{name}.py", home)) for home, name in theirs]
    return [(name, True, "") for name in packages] + own


def first_words(settings: dict[str, object]) -> bytes:
    """What the program reads first: its modules, then its settings."""
    program = json.dumps(modules()).encode()
    told = json.dumps(settings | {"keeper_text": _text("keeper.sh")}).encode()
    return b"%d\n" % len(program) + program + told + b"\n"


def _text(name: str, package: str = PACKAGE) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
