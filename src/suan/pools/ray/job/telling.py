"""What a job writes into its own log for suan to read, one line each."""

from __future__ import annotations

import json
import sys
from typing import Any

MARK = "suan: "


def tell(word: dict[str, Any]) -> None:
    """Write ``{"started": TIME}`` or ``{"end": {…}}``."""
    sys.stdout.write(MARK + json.dumps(word) + "\n")
    sys.stdout.flush()
