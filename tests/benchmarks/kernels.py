"""What the kernels of the benches are given: a front end's marks, and a provider."""

from __future__ import annotations

JUPYTER = {"JPY_SESSION_NAME": "bench.ipynb"}
"""Makes the kernel look like one behind JupyterLab: cards are widgets there."""

ROW = """
provider = "bench"
[providers.bench]
base_url = "{url}"
dialect = "apigo"
default_model = "sora-2"
"""
