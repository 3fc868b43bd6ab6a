"""Letters: what suan has to say to one job and to nobody else.

They lie in the cluster's own key-value store (the GCS), where the dashboard's upload of packages
puts them: secrets, taken out as soon as the job starts, and orders to end. Ray is only imported
when there is a letter to read.
"""

from __future__ import annotations

import json
import os
from typing import Any

_PATIENCE_S = 10
_SCHEME = "gcs://"  # as the upload of packages names what it stores


class Letters:
    """The letters to one job; reads nothing before it is asked to."""

    def __init__(self) -> None:
        self._client: Any = None

    def read(self, name: str) -> bytes:
        """What stands under a name.

        Raises:
            LookupError: nothing.
        """
        found = self._connected().internal_kv_get(_key(name), None, timeout=_PATIENCE_S)
        if found is None:
            raise LookupError(f"the cluster's store has no {name}")
        return bytes(found)

    def take(self, name: str) -> dict[str, Any]:
        """A letter's content; it is there no more afterwards.

        Raises:
            LookupError: there is none.
        """
        letter: dict[str, Any] = json.loads(self.read(name))
        self._connected().internal_kv_del(_key(name), False, None, timeout=_PATIENCE_S)
        return letter

    def order(self, name: str) -> dict[str, Any] | None:
        """An order to end, if a new one has come."""
        try:
            return self.take(name)
        except LookupError:
            return None

    def _connected(self) -> Any:
        if self._client is None:
            from ray._raylet import GcsClient

            self._client = GcsClient(address=os.environ["RAY_ADDRESS"])
        return self._client


def _key(name: str) -> bytes:
    return (_SCHEME + name).encode()
