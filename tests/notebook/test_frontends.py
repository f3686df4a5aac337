"""Each front end is recognised by what it leaves behind, and says why."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ipyreel.notebook import frontends
from ipyreel.notebook.frontends import Document


def shell(*, stdin=True, kernel=True, cell_id=None, **names):
    parent = {"metadata": {"cellId": cell_id} if cell_id else {}}
    told = SimpleNamespace(_allow_stdin=stdin, get_parent=lambda: parent) if kernel else None
    return SimpleNamespace(kernel=told, user_ns=names)


SESSION = {"JPY_SESSION_NAME": "/home/me/a.ipynb"}


@pytest.mark.parametrize(
    ("kind", "told", "environ", "modules"),
    [
        ("jupyter", shell(), SESSION, {}),
        ("jupyter", shell(cell_id="c1"), {}, {}),
        ("jupyter", shell(), {**SESSION, "VSCODE_PID": "1"}, {}),
        ("voila", shell(stdin=False), {"VOILA_REQUEST_URL": "/"}, {}),
        ("voila", shell(stdin=False), {"SERVER_SOFTWARE": "voila/0.5.13"}, {}),
        ("vscode", shell(__vsc_ipynb_file__="/a.ipynb"), SESSION, {}),
        ("vscode", shell(), {"VSCODE_PID": "1"}, {}),
        ("colab", shell(), {}, {"google.colab": SimpleNamespace()}),
        ("kaggle", shell(), {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, {}),
        ("terminal", shell(kernel=False), {}, {}),
        ("console", shell(), {}, {}),
        ("headless", shell(stdin=False), {}, {}),
        ("headless", shell(stdin=False), SESSION, {}),
    ],
)
def test_kinds(kind, told, environ, modules):
    host = frontends.detect(told, environ, modules)
    assert host.kind == kind
    assert host.reasons
    assert max(map(len, host.reasons)) <= 60  # what a table of text shows of a cell


def test_plain_python():
    host = frontends.detect(None, {}, {})
    assert (host.kind, host.widgets, host.html) == ("python", False, False)


def test_marimo_has_no_shell_and_says_that_it_runs():
    running = {"marimo": SimpleNamespace(running_in_notebook=lambda: True)}
    host = frontends.detect(None, {}, running)
    assert (host.kind, host.html, host.embeds, host.widgets) == ("marimo", True, True, False)
    imported = {"marimo": SimpleNamespace(running_in_notebook=lambda: False)}
    assert frontends.detect(None, {}, imported).kind == "python"


def test_what_each_can_do():
    jupyter = frontends.detect(shell(), SESSION, {})
    voila = frontends.detect(shell(stdin=False), {"VOILA_BASE_URL": "/"}, {})
    headless = frontends.detect(shell(stdin=False), {}, {})
    assert (jupyter.widgets, jupyter.links, jupyter.embeds, jupyter.front_end) == (True,) * 4
    assert (voila.widgets, voila.links, voila.embeds, voila.front_end) == (True, False, True, True)
    assert (headless.widgets, headless.front_end, headless.stdin) == (False, False, False)


@pytest.mark.parametrize(
    ("environ", "modules", "mark"),
    [
        ({}, {"google.colab": SimpleNamespace()}, "google.colab is loaded"),
        ({"COLAB_RELEASE_TAG": "release-colab_1"}, {}, "COLAB_RELEASE_TAG is set"),
    ],
)
def test_colab_is_told_by_what_was_found(environ, modules, mark):
    host = frontends.detect(shell(), environ, modules)
    assert (host.kind, host.links, host.embeds) == ("colab", False, True)
    assert host.reasons[0] == mark


def test_each_that_cannot_link_says_why():
    cells = frontends.detect(shell(cell_id="c1"), {}, {})
    kaggle = frontends.detect(shell(), {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, {})
    code = frontends.detect(shell(), {"VSCODE_PID": "1"}, {})
    named = frontends.detect(shell(__vsc_ipynb_file__="/a.ipynb"), {}, {})
    assert (named.links, named.embeds_first) == (True, True)
    voila = frontends.detect(shell(stdin=False), {"VOILA_BASE_URL": "/"}, {})
    for host in (cells, kaggle, code, voila):
        assert not host.links
        assert len(host.reasons) == 2


def test_headless_links_only_where_the_place_of_the_result_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ipynb").write_text("{}")
    assert not frontends.detect(shell(stdin=False), SESSION, {}).links
    papermill = shell(stdin=False, PAPERMILL_OUTPUT_PATH="results/b.ipynb")
    assert frontends.detect(papermill, {}, {}).links
    assert frontends.find_document(papermill, {}) == Document(folder=tmp_path / "results")
    bucket = shell(stdin=False, PAPERMILL_OUTPUT_PATH="s3://bucket/b.ipynb")
    assert not frontends.detect(bucket, {}, {}).links


def test_kaggle_in_batch_has_nobody_looking():
    host = frontends.detect(shell(), {"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, {})
    assert (host.widgets, host.front_end) == (False, False)


@pytest.mark.parametrize(
    ("version", "delivers"),
    [("6.31.0", True), ("7.0.0", False), ("7.0.1", False), ("7.1.0", True), ("7.10.0", True)],
)
def test_ipykernel_7_0_delivers_nothing_from_threads(version, delivers):
    modules = {"ipykernel": SimpleNamespace(__version__=version)}
    host = frontends.detect(shell(), SESSION, modules)
    assert host.threads_deliver is delivers
    assert any("7.1" in reason for reason in host.reasons) is not delivers


def test_links_start_at_the_notebook_for_as_long_as_it_is_there(tmp_path):
    named = tmp_path / "sub" / "a.ipynb"
    named.parent.mkdir()
    environ = {"JPY_SESSION_NAME": str(named)}
    assert frontends.notebook_folder(environ, {}, tmp_path) == named.parent
    assert not frontends.find_document(shell(), environ).known  # it was moved, or is elsewhere
    named.write_text("{}")
    document = frontends.find_document(shell(), environ)
    assert document == Document(folder=named.parent)
    assert document.link(named.parent / "videos" / "a b.mp4") == "videos/a%20b.mp4"
    assert document.link(tmp_path / "a.mp4") is None
    assert document.link(named.parent / ".videos" / "a.mp4") is None
    assert document.any_link(tmp_path / "a.mp4") == "../a.mp4"


def test_a_folder_that_is_spelled_in_two_ways_is_one(tmp_path):
    real = tmp_path / "real"
    (real / "videos").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    document = Document(folder=tmp_path / "link")
    assert document.link(real / "videos" / "a.mp4") == "videos/a.mp4"
    assert Document(folder=real).link(tmp_path / "link" / "videos" / "a.mp4") == "videos/a.mp4"
    assert document.link(tmp_path / "a.mp4") is None


def test_the_folder_is_the_working_directory_otherwise(tmp_path):
    assert frontends.notebook_folder({}, {}, tmp_path) == tmp_path
    gone = {"JPY_SESSION_NAME": str(tmp_path / "gone" / "a.ipynb")}
    assert frontends.notebook_folder(gone, {}, tmp_path) == tmp_path
    assert frontends.notebook_folder({"JPY_SESSION_NAME": "Console 1"}, {}, tmp_path) == tmp_path


def test_nbclassic_names_the_folder_only(tmp_path):
    environ = {"JPY_SESSION_NAME": f"{tmp_path}/"}
    assert frontends.notebook_folder(environ, {}, tmp_path / "elsewhere") == tmp_path
    assert frontends.find_document(shell(), environ) == Document(folder=tmp_path)


def test_vs_code_names_the_file_itself(tmp_path):
    names = {"__vsc_ipynb_file__": str(tmp_path / "a.ipynb")}
    assert frontends.notebook_folder({}, names, tmp_path / "elsewhere") == tmp_path
