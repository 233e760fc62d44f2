"""The scripts under docs/pictures run as they stand and write a picture that a page can carry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["model_graph", "neighbourhood", "watch", "weights"])
def test_a_picture_is_drawn_by_its_script(name, tmp_path):
    script = shutil.copy(ROOT / "docs/pictures" / f"{name}.py", tmp_path)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-W", "error", script], cwd=tmp_path, env=environment, check=True)
    drawn = (tmp_path / f"{name}.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert 10_000 < len(drawn) < 150_000
