"""What lies around the package agrees with it: commands, Binder, licence, links."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support.laws import OPTIONAL, ROOT, read_modules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOP = {"src", "notebooks", "tests", "binder", "pyproject.toml", "README.md", "LICENSE"}
TOP |= {"CHANGELOG.md", "CONTRIBUTING.md"}
MADE = {"build", "dist", "screenshots", "videos", "PKG-INFO"}
"""What tools leave at the top; .gitignore knows the same."""

COMES_WITH = {"traitlets": "ipython"}
"""Imported, and part of what a dependency promises."""

NAMED = {"pil": "pillow"}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


def commands(name):
    """Return the fenced blocks that follow a mark in the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"<!-- command: {name} -->\s*```\w*\n(.+?)\n```", text, re.DOTALL)


def names_of(requirements):
    found = (re.match(r"[\w.-]+", text) for text in requirements)
    return {match.group().lower().replace("_", "-") for match in found if match}


def test_nothing_else_lies_at_the_top():
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith((".", "_"))}
    assert found - MADE - TOP == set()
    assert TOP - found == set()


@pytest.mark.parametrize("name", ["run", "run-headless", "test"])
def test_the_readme_has_each_command_once(name):
    assert len(commands(name)) == 1, f"want one block after <!-- command: {name} -->"


def test_ci_copies_no_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("run", "run-headless", "test"):
        assert f"command {name}" in script
        assert commands(name)
        assert commands(name)[0] not in script


@pytest.mark.parametrize("path", [".ci/run", "binder/postBuild"])
def test_scripts_can_run_and_cannot_fail_unseen(path):
    script = ROOT / path
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/bash\n")
    assert re.search(r"^set -e", text, re.MULTILINE)
    subprocess.run(["bash", "-n", script], check=True)


def test_binder_installs_the_package_with_extras_that_exist():
    lines = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert len(wanted) == 1
    extras = re.fullmatch(r"\.\[([\w,]+)\]", wanted[0]).group(1).split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    runtime = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    minor = runtime.removeprefix("python-")
    assert f"Programming Language :: Python :: {minor}" in PROJECT["classifiers"]


def test_the_licence_is_the_one_that_is_named():
    assert PROJECT["license"] == "BSD-3-Clause"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("BSD 3-Clause License\n\nCopyright (c) 2026, The ipyreel developers\n")


def test_the_changelog_has_a_place_for_the_next_change():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.count("## [Unreleased]") == 1


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    links += re.findall(r'src="(?!https?:|data:)([^"]+\.(?:png|gif|jpg|svg))"', text)
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_dependency_is_declared_and_used():
    core = names_of(PROJECT["dependencies"])
    extra = {
        name for found in PROJECT["optional-dependencies"].values() for name in names_of(found)
    }
    imported = {name.partition(".")[0] for module in READ for _, name in module.imports()}
    foreign = imported - set(sys.stdlib_module_names) - {"ipyreel", "tomllib"}
    normal = {name: name.lower().replace("_", "-") for name in foreign}
    known = core | extra | {name.lower() for name in OPTIONAL} | COMES_WITH.keys()
    assert {name for name in foreign if NAMED.get(normal[name], normal[name]) not in known} == set()
    # nest_asyncio is loaded by name, where it is safe; tomli before Python 3.11 only.
    assert core - set(normal.values()) - {"nest-asyncio", "tomli"} == set()


READ = read_modules()


def test_no_file_knows_where_it_was_made():
    suffixes = {".py", ".md", ".toml", ".ipynb", ".json", ".txt", ".html", ".css", ".js"}
    here = f"{ROOT}{os.sep}"
    files = [path for top in sorted(TOP) for path in [ROOT / top, *(ROOT / top).rglob("*")]]
    kept = [p for p in files if p.suffix in suffixes and p.is_file() and ".ipynb_ch" not in str(p)]
    assert [str(p) for p in kept if here in p.read_text(encoding="utf-8")] == []
