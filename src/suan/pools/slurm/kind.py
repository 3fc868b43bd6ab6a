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
        return PoolDeclaration(offer=offer, options=_options(fields), where=where)

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
        for field, (name, default) in _TIMES.items():
            settings[name] = int(options.pop(field, default)) / SECOND
        return SlurmPool(declaration.offer, Way(argv, settings | options, names, least))


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
