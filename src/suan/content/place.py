"""Whether two processes see the same files, as the same user."""

import hashlib
import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def here() -> str:
    """Equal in two processes of one user on one machine with one root; tells nothing else."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    root = Path("/").stat()
    told = f"{boot} {root.st_dev} {root.st_ino} {os.getuid()}"
    return hashlib.sha256(told.encode()).hexdigest()[:32] if boot else ""
