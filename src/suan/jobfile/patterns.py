"""File name patterns of ``#SBATCH --output`` and ``--error``.

Source: Slurm's sbatch manual, section "filename pattern".
"""

import re

_PATTERN = re.compile(r"%(%|[0-9]{0,2}[A-Za-z])")
_MAX_PAD = 10


def expand_pattern(
    pattern: str,
    *,
    job: str,
    name: str,
    array_id: str | None = None,
    index: int | None = None,
    node: int = 0,
) -> str:
    """The path that a pattern stands for.

    ``%j`` the job's id, ``%A`` the array's (or the job's), ``%a`` the member's index, ``%x`` the
    name, ``%n`` and ``%t`` the task's rank, ``%N`` the node as ``node<rank>``, ``%u`` stays for the
    shell, ``%%`` a percent sign. A width (``%4a``) pads numbers with zeros. Others stay as written,
    and a backslash at the start switches patterns off, as in Slurm.
    """
    if pattern.startswith("\\"):
        return pattern[1:]
    values = {
        "j": job,
        "J": job,
        "A": array_id or job,
        "a": "4294967294" if index is None else str(index),
        "x": name.replace("/", "_"),
        "n": str(node),
        "t": str(node),
        "s": "batch",
        "N": f"node{node}",
    }

    def value(match: re.Match[str]) -> str:
        code = match.group(1)
        if code == "%":
            return "%"
        text = values.get(code[-1])
        if text is None:
            return match.group(0)
        width = min(int(code[:-1] or 0), _MAX_PAD)
        return text.zfill(width) if text.isdigit() else text

    return _PATTERN.sub(value, pattern)
