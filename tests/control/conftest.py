from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.world import World, made, open_local_pools


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The real store and a real local pool of two nodes with two processors each."""
    async with made(tmp_path, open_local_pools(tmp_path / "home")) as world:
        yield world
