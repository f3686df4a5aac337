"""The files around the package agree with it: commands, Binder, licence, links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from ipyreel.catalog import Catalog
from tests.support.laws import OPTIONAL, ROOT, read_modules
from tests.support.tracked import project_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOP = {"src", "notebooks", "tests", "binder", "pyproject.toml", "LICENSE"}
TOP |= {"README.md", "README.zh.md", "CHANGELOG.md", "CONTRIBUTING.md"}

COMES_WITH = {"traitlets": "ipython", "typing-extensions": "mypy"}
"""Imported (the second by type checkers only), and installed by a dependency that promises it."""

NAMED = {"pil": "pillow"}

MODULES = read_modules()

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEXTS = sorted(ROOT.glob("*.md"))


def commands(name, readme="README.md"):
    """Return the fenced blocks that follow a mark in a README."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(rf"<!-- command: {name} -->\s*```\w*\n(.+?)\n```", text, re.DOTALL)


def read_text(path):
    return path.read_text(encoding="utf-8")


def names_of(requirements):
    found = (re.match(r"[\w.-]+", text) for text in requirements)
    return {match.group().lower().replace("_", "-") for match in found if match}


def test_nothing_else_lies_at_the_top():
    found = {path.relative_to(ROOT).parts[0] for path in project_files()}
    assert {name for name in found if not name.startswith(".")} - {"PKG-INFO"} == TOP


def test_the_tests_that_texts_name_exist():
    named = re.findall(r"(tests/\S+\.py)::(\w+)", "".join(map(read_text, TEXTS)))
    assert named
    for path, name in named:
        assert f"def {name}(" in read_text(ROOT / path), f"{path}::{name}"


@pytest.mark.parametrize("name", ["run", "run-headless", "test"])
def test_both_readmes_have_each_command_once(name):
    assert len(commands(name)) == 1, f"want one block after <!-- command: {name} -->"
    assert commands(name, "README.zh.md") == commands(name)


def test_the_chinese_readme_names_keys_and_addresses_as_the_catalog_does():
    text = (ROOT / "README.zh.md").read_text(encoding="utf-8")
    rows = Catalog.load().providers
    for name in ("apigo", "apiyi", "aiid"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        assert f"`{rows[name].key_vars[0]}`" in line
        assert line.rstrip(" |").endswith(urlsplit(rows[name].base_url).hostname)


def test_both_readmes_start_with_the_same_example():
    example = re.compile(r"```\n(%.+?)```", re.DOTALL)
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")]
    first, second = (example.findall(text)[:2] for text in texts)
    assert first == second


def test_ci_copies_no_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("run", "run-headless", "test"):
        assert f"command {name}" in script
        assert commands(name)
        assert commands(name)[0] not in script


@pytest.mark.parametrize("path", [".ci/run", ".ci/long", "binder/postBuild"])
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
    imported = {name.partition(".")[0] for module in MODULES for _, name in module.imports}
    foreign = imported - set(sys.stdlib_module_names) - {"ipyreel", "tomllib"}
    normal = {name: name.lower().replace("_", "-") for name in foreign}
    known = core | extra | {name.lower() for name in OPTIONAL} | COMES_WITH.keys()
    assert {name for name in foreign if NAMED.get(normal[name], normal[name]) not in known} == set()
    # httpcore is a bound; nest_asyncio is loaded by name; tomli serves Python before 3.11.
    assert core - set(normal.values()) - {"httpcore", "nest-asyncio", "tomli"} == set()


def test_no_file_contains_the_path_of_this_machine():
    suffixes = {".py", ".md", ".toml", ".ipynb", ".json", ".txt", ".html", ".css", ".js"}
    texts = [path for path in project_files() if path.suffix in suffixes]
    assert len(texts) > len(MODULES)
    here = f"{ROOT}{os.sep}"
    assert [str(path) for path in texts if here in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("with_git", [True, False])
def test_what_commands_leave_behind_is_no_file_of_the_project(tmp_path, with_git):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    left = ("notebooks/00_quickstart.executed.ipynb", ".venv/bin/x.py", "notebooks/videos/a.mp4")
    for name in ("notebooks/00_quickstart.ipynb", *left):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if with_git:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    names = [path.relative_to(tmp_path).as_posix() for path in project_files(tmp_path)]
    assert names == [".gitignore", "notebooks/00_quickstart.ipynb"]
