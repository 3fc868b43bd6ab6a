"""The table's entry for Slurm pools: reading a declaration, and opening one."""

import json
from pathlib import Path

from suan.jobfile.quantities import parse_memory
from suan.model.units import DAY, MINUTE, SECOND
from suan.pools import quantities, terms
from suan.pools.declaration import PoolDeclaration
from suan.pools.fields import Fields
from suan.pools.slurm.connection import command
from suan.pools.slurm.pool import SlurmPool, Way
from suan.pools.slurm.translation import Names

_DEFAULT_MEMORY_MIB = 1024
_COMMANDS, _REST = "commands", "rest"
_REST_FIELDS = "url", "user", "token_file", "token_env", "path"
_REST_MEND = "write `url: http://HOST:6820`, `user: NAME` and `token_file: PATH`"
_TIMES = {  # the field, the program's name for it, and its default in microseconds
    "grace_s": ("grace_s", 10 * SECOND),
    "poll_s": ("poll_s", 2 * SECOND),
    "patience_s": ("patience_s", 5 * MINUTE),
    "keep_days": ("keep_s", 7 * DAY),
}


class SlurmKind:
    """Declares and opens Slurm pools."""

    def declare(self, fields: Fields, *, home: Path, where: str) -> PoolDeclaration:
        """Read an entry.

        Raises:
            InputError: with ``file:line``.
        """
        del home
        offer = terms.offered(fields, "slurm", SlurmPool)
        options = _options(fields) | _rest(fields)
        return PoolDeclaration(offer=offer, options=options, where=where)

    def open(self, declaration: PoolDeclaration, *, home: Path) -> SlurmPool:
        """Open it; nothing is started before its first call."""
        del home
        options = dict(declaration.options)
        host = options.pop("host", None)
        argv = command(host, options.pop("python", "python3"))
        names = Names(json.loads(options.pop("accelerators", "{}")))
        least = int(options.pop("default_memory", _DEFAULT_MEMORY_MIB))
        settings: dict[str, object] = {
            "pool": declaration.name,
            "directory": options.pop("directory", f"~/.suan/slurm/{declaration.name}"),
            "partitions": json.loads(options.pop("partition", "[]")),
            "options": json.loads(options.pop("sbatch_options", "[]")),
        }
        if "rest" in options:
            settings["rest"] = json.loads(options.pop("rest"))
        for field, (name, default) in _TIMES.items():
            settings[name] = int(options.pop(field, default)) / SECOND
        return SlurmPool(declaration.offer, Way(argv, settings | options, names, least))


def _rest(fields: Fields) -> dict[str, str]:
    """How ``slurmrestd`` is reached, where that is the way."""
    via = fields.text("via") or _COMMANDS
    found = {name: fields.text(name) for name in _REST_FIELDS}
    given = {name: value for name, value in found.items() if value is not None}
    if via not in (_COMMANDS, _REST):
        said, mend = f"slurm: via is {via!r}", f"write `via: {_REST}`, or leave it out"
        raise fields.error(said, name="via", mend=mend)
    if via == _COMMANDS:
        for name in given:
            raise fields.error(f"slurm: {name} is for `via: rest`", name=name, mend="add that")
        return {}
    for name in ("url", "user"):
        if name not in given:
            raise fields.error(f"slurm: via rest wants {name}", name="via", mend=_REST_MEND)
    if not given["url"].startswith(("http://", "https://")):
        raise fields.error("slurm: url is not HTTP", name="url", mend=_REST_MEND)
    if ("token_file" in given) == ("token_env" in given):
        said = "slurm: via rest wants one of token_file and token_env"
        raise fields.error(said, name="via", mend=_REST_MEND)
    if fields.text("conf") is not None:
        said = "slurm: conf is for Slurm's commands"
        raise fields.error(said, name="conf", mend="drop it: `url` says which cluster")
    return {"rest": json.dumps(given)}


def _options(fields: Fields) -> dict[str, str]:
    """What only this kind understands, as text."""
    found: dict[str, object | None] = {
        name: fields.text(name)
        for name in ("host", "python", "conf", "directory", "account", "qos", "reservation")
    }
    for name in ("partition", "sbatch_options"):
        found[name] = json.dumps(list(fields.texts(name))) if fields.node(name) else None
    for name in _TIMES:
        read = quantities.days if name == "keep_days" else quantities.seconds
        found[name] = fields.parsed(name, read)
    found["default_memory"] = fields.parsed("default_memory", parse_memory)
    models = fields.mapping("accelerators")
    found["accelerators"] = json.dumps(models.each(str)) if models else None
    return {name: str(value) for name, value in found.items() if value is not None}
