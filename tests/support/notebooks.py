"""Writes notebooks for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat

from tests.support.jupyter import KERNEL_NAME


def write_notebook(path: Path, cells: Sequence[str], *, title: str | None = None) -> Path:
    """Write an unsigned, hence untrusted, notebook of code cells, with an optional heading."""
    code = [nbformat.v4.new_code_cell(source) for source in cells]
    heading = [nbformat.v4.new_markdown_cell(f"# {title}")] if title else []
    notebook = nbformat.v4.new_notebook(cells=[*code, *heading])
    notebook.metadata["kernelspec"] = {
        "name": KERNEL_NAME,
        "display_name": "Python 3 (tests)",
        "language": "python",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path
