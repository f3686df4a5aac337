"""Fixtures of the catalog's tests: the built-in catalog, and a function that writes another."""

from __future__ import annotations

import textwrap

import pytest

from ipyreel.catalog import Catalog


@pytest.fixture(scope="session")
def catalog():
    return Catalog.load()


@pytest.fixture
def own(tmp_path):
    """Write an `ipyreel.toml` and return its path."""

    def write(text, name="ipyreel.toml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write
