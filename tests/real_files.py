"""Where the real data files lie, which do not come with the repository: $GRAPHNN_DATA, or beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("GRAPHNN_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def real_file(*parts: str) -> Path:
    """Return a real file or folder; skips the test that asks where there is none."""
    path = FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs the real file {'/'.join(parts)}; name the folder it is in with GRAPHNN_DATA")
    return path
