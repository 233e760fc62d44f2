"""Make the notebooks from their sources: first_steps.md becomes first_steps.ipynb, run from top to bottom.

    pip install "graphnn[docs]" && python docs/notebooks/make.py

A source is Markdown; its blocks fenced as ```python are the cells of code, and what stands between them the cells of
text. Nothing of the machine or the clock gets into the file, so that a difference of two is one of what they say.
"""

from __future__ import annotations

import base64
import json
import os
import re
from io import BytesIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = sorted(HERE.glob("*.md"))
WIDEST = 960  # pixels of a picture


def cells(source: str) -> list[tuple[str, str]]:
    """Return ("markdown" or "code", text) for every cell of a source."""
    parts = re.split(r"^```python\n(.*?)^```$", source, flags=re.M | re.S)
    kinds = ["code" if i % 2 else "markdown" for i in range(len(parts))]
    return [(kind, part.strip()) for kind, part in zip(kinds, parts, strict=True) if part.strip()]


def notebook(source: str) -> dict[str, Any]:
    """Return a notebook that has not been run, in the form of nbformat 4.5."""
    made: list[dict[str, Any]] = []
    for i, (kind, text) in enumerate(cells(source)):
        cell = {"cell_type": kind, "id": f"cell-{i:02}", "metadata": {}, "source": text.splitlines(keepends=True)}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def run(content: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with the outputs that a kernel gives."""
    import nbformat
    from nbclient import NotebookClient

    os.environ |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "OMP_NUM_THREADS": "1"}  # for the kernel
    node = nbformat.reads(json.dumps(content), as_version=4)
    NotebookClient(node, timeout=600, record_timing=False, resources={"metadata": {"path": str(HERE)}}).execute()
    done = json.loads(nbformat.writes(node))
    done["metadata"] = content["metadata"]
    for cell in done["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = _small(output["data"]["image/png"])
                output["metadata"] = {}
            output.pop("transient", None)
    return done


def _small(png: str) -> str:
    """Return a picture with fewer pixels and no more colours than it needs."""
    from PIL import Image

    picture = Image.open(BytesIO(base64.b64decode(png))).convert("RGB")
    if picture.width > WIDEST:
        size = (WIDEST, round(picture.height * WIDEST / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    out = BytesIO()
    picture.quantize(128).save(out, format="png", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


if __name__ == "__main__":
    for path in SOURCES:
        done = run(notebook(path.read_text("utf-8")))
        text = json.dumps(done, indent=1, ensure_ascii=False) + "\n"
        path.with_suffix(".ipynb").write_text(text, "utf-8")
        print(f"{path.stem}.ipynb: {len(done['cells'])} cells, {len(text) / 1000:.0f} kB")
